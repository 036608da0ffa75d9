using System.Text.Json.Nodes;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>Both factors of a convolution with as many output channels as input channels: A from its images, B from its output gradients.</summary>
/// <remarks>The images have their channels last, as layers have them; the peer's have them first, as its layers do. Expand counts every product of two pixels that some pair of kernel elements needs once, which is the least without
/// patches and without transforms: through these a processor multiplies less, and its share of the limit may pass 100%. Reduce must read both inputs and write both factors.</remarks>
internal sealed class ConvolutionCase : BenchCase
{
    private readonly Arena _arena;
    private readonly ConvolutionBench _bench;
    private readonly ConvolutionShape _shape;
    private readonly SharingApproximation _approximation;
    private readonly string _form;
    private readonly ColdInputs _inputs;
    private readonly ColdInputs _gradients;
    private readonly MatrixView<float> _inputFactor;
    private readonly MatrixView<float> _outputFactor;

    /// <param name="form">How the peer does it, one of <see cref="Forms"/>.</param>
    public ConvolutionCase(Device device, ConvolutionBench bench, SharingApproximation approximation, string form, ulong seed)
    {
        _arena = new Arena(device);
        _bench = bench;
        _shape = bench.Shape;
        _approximation = approximation;
        _form = form;
        _inputFactor = _arena.Matrix<float>(_shape.PatchWidth, _shape.PatchWidth);
        _outputFactor = _arena.Matrix<float>(_shape.Channels, _shape.Channels);
        _inputs = new ColdInputs(_arena, bench.Images * _shape.Pixels, _shape.Channels, seed, sequence: 1);
        _gradients = new ColdInputs(_arena, bench.Images * _shape.Positions, _shape.Channels, seed, sequence: 3);
    }

    public override string Operation => "conv";

    public override string Shape => _bench.ToString();

    public override string Approximation => FactorShape.NameOf(_approximation);

    public override string? PeerForm => _form;

    public override double? Operations
    {
        get
        {
            double channels = _shape.Channels;
            double pairs = Pairs(_shape.Height, _shape.KernelHeight, _shape.OutputHeight) * (double)Pairs(_shape.Width, _shape.KernelWidth, _shape.OutputWidth);
            return _approximation == SharingApproximation.Expand
                ? _bench.Images * ((pairs * channels * channels) + (_shape.Positions * channels * (channels + 1)))
                : null;
        }
    }

    public override double? Bytes
    {
        get
        {
            double inputs = (double)_bench.Images * (_shape.ImageElements + (_shape.Channels * _shape.Positions));
            double factors = ((double)_shape.PatchWidth * _shape.PatchWidth) + ((double)_shape.Channels * _shape.Channels);
            return _approximation == SharingApproximation.Reduce ? (inputs + factors) * sizeof(float) : null;
        }
    }

    public override JsonObject PeerRequest => new()
    {
        ["case"] = "convolution",
        ["form"] = _form,
        ["images"] = _bench.Images,
        ["channels"] = _shape.Channels,
        ["height"] = _shape.Height,
        ["width"] = _shape.Width,
        ["kernel"] = _shape.KernelHeight,
        ["stride"] = _shape.Stride,
        ["padding"] = _shape.Padding,
        ["approximation"] = Approximation,
        ["copies"] = _inputs.Count,
    };

    /// <summary>The peer's forms: <c>unfold</c> makes the patches of the batch, <c>sample</c> those of one image at a time,
    /// <c>box</c> sums windows by two contractions.</summary>
    public static string[] Forms(SharingApproximation approximation) =>
        approximation == SharingApproximation.Expand ? ["unfold", "sample"] : ["unfold", "box"];

    public override void Run()
    {
        DeviceStream stream = _arena.Device.DefaultStream;
        ConvolutionFactorMath.InputFactor(stream, _inputs.Next(), _shape, _approximation, hasBias: false, _inputFactor, ConvolutionLayout.ChannelsLast);
        ConvolutionFactorMath.OutputFactor(stream, _gradients.Next(), _shape, _shape.Channels, _approximation, _outputFactor, ConvolutionLayout.ChannelsLast);
    }

    public override void Dispose() => _arena.Dispose();

    /// <summary>Ordered pairs of rows (or columns) of an image that two elements of the kernel meet at one output.</summary>
    private int Pairs(int size, int kernel, int outputs)
    {
        var pairs = new HashSet<(int, int)>();
        for (int output = 0; output < outputs; output++)
        {
            int start = (output * _shape.Stride) - _shape.Padding;
            int[] met = [.. Enumerable.Range(0, kernel).Select(a => start + (a * _shape.Dilation)).Where(pixel => pixel >= 0 && pixel < size)];
            pairs.UnionWith(met.SelectMany(_ => met, static (first, second) => (first, second)));
        }

        return pairs.Count;
    }
}

/// <summary>A batch of images and the convolution over them.</summary>
internal readonly record struct ConvolutionBench(int Images, ConvolutionShape Shape)
{
    /// <summary>The three stages of a residual network, its first layer, and the layers between stages, which halve the images.</summary>
    public static IReadOnlyList<ConvolutionBench> Defaults { get; } =
    [
        Of(32, 64, 32, 32, 3, 1, 1), Of(32, 128, 16, 16, 3, 1, 1), Of(32, 256, 8, 8, 3, 1, 1), Of(128, 3, 32, 32, 3, 1, 1),
        Of(32, 64, 32, 32, 3, 2, 1), Of(32, 128, 16, 16, 3, 2, 1),
    ];

    /// <summary>A square kernel.</summary>
    public static ConvolutionBench Of(int images, int channels, int height, int width, int kernel, int stride, int padding) => new(images, new ConvolutionShape
    {
        Channels = channels,
        Height = height,
        Width = width,
        KernelHeight = kernel,
        KernelWidth = kernel,
        Stride = stride,
        Padding = padding,
    });

    /// <summary>As on the command line: M,C,H,W,KERNEL,STRIDE,PADDING.</summary>
    public override string ToString() =>
        $"{Images},{Shape.Channels},{Shape.Height},{Shape.Width},{Shape.KernelHeight},{Shape.Stride},{Shape.Padding}";
}
