using System.Globalization;
using System.Text.Json.Nodes;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>One pass of a convolution over a batch of channels-last images: forward, or the gradient of its input or of its weights.</summary>
internal sealed class ConvolutionPassCase : BenchCase
{
    private readonly Arena _arena;
    private readonly ConvolutionLayer _layer;
    private readonly string _pass;
    private readonly string _form;
    private readonly MatrixView<float> _x;
    private readonly MatrixView<float> _weights;
    private readonly MatrixView<float> _y;

    /// <param name="pass">One of <see cref="Passes"/>.</param>
    /// <param name="form">Order of the peer's images, one of <see cref="Forms"/>.</param>
    public ConvolutionPassCase(Device device, ConvolutionLayer layer, string pass, string form, ulong seed)
    {
        _arena = new Arena(device);
        (_layer, _pass, _form) = (layer, pass, form);
        ConvolutionShape shape = layer.Bench.Shape;
        _x = _arena.Matrix<float>(layer.Bench.Images * shape.Height * shape.Width, shape.Channels);
        _weights = _arena.Matrix<float>(layer.Outputs, shape.PatchWidth);
        _y = _arena.Matrix<float>(layer.Bench.Images * shape.Positions, layer.Outputs);
        Philox.Normal(device.DefaultStream, new PhiloxKey(seed, 5), 0, _x.AsVector());
        Philox.Normal(device.DefaultStream, new PhiloxKey(seed, 6), 0, _weights.AsVector());
        Philox.Normal(device.DefaultStream, new PhiloxKey(seed, 7), 0, _y.AsVector());
    }

    /// <summary>What a training step does.</summary>
    public static IReadOnlyList<string> Passes { get; } = ["forward", "input-gradient", "weight-gradient"];

    /// <summary>The peer's orders of an image's elements.</summary>
    public static IReadOnlyList<string> Forms { get; } = ["channels first", "channels last"];

    public override string Operation => $"convolution {_pass}";

    public override string Shape => _layer.ToString();

    public override string PeerForm => _form;

    public override double? Operations => 2.0 * _y.Rows * _layer.Outputs * _layer.Bench.Shape.PatchWidth;

    public override JsonObject PeerRequest => new()
    {
        ["case"] = "convolution pass",
        ["pass"] = _pass,
        ["channelsLast"] = _form == "channels last",
        ["images"] = _layer.Bench.Images,
        ["channels"] = _layer.Bench.Shape.Channels,
        ["height"] = _layer.Bench.Shape.Height,
        ["width"] = _layer.Bench.Shape.Width,
        ["outputs"] = _layer.Outputs,
        ["kernel"] = _layer.Bench.Shape.KernelHeight,
        ["stride"] = _layer.Bench.Shape.Stride,
        ["padding"] = _layer.Bench.Shape.Padding,
    };

    public override void Run()
    {
        DeviceStream stream = _arena.Device.DefaultStream;
        ConvolutionShape shape = _layer.Bench.Shape;
        switch (_pass)
        {
            case "forward":
                Convolution.Forward(stream, _x, shape, _weights, _y);
                break;
            case "input-gradient":
                Convolution.InputGradient(stream, _y, shape, _weights, 0, _x);
                break;
            default:
                Convolution.WeightGradient(stream, _x, shape, _y, 0, _weights);
                break;
        }

        stream.Synchronize();
    }

    public override void Dispose() => _arena.Dispose();
}

/// <summary>A convolution over a batch of images, with its number of output channels.</summary>
internal readonly record struct ConvolutionLayer(ConvolutionBench Bench, int Outputs)
{
    /// <summary>The layers of WRN-16-4 that its time goes to, with 128 images.</summary>
    public static IReadOnlyList<ConvolutionLayer> Defaults { get; } =
    [
        new(ConvolutionBench.Of(128, 64, 32, 32, 3, 1, 1), 64),
        new(ConvolutionBench.Of(128, 128, 16, 16, 3, 1, 1), 128),
        new(ConvolutionBench.Of(128, 256, 8, 8, 3, 1, 1), 256),
        new(ConvolutionBench.Of(128, 64, 32, 32, 3, 2, 1), 128),
        new(ConvolutionBench.Of(128, 3, 32, 32, 3, 1, 1), 16),
    ];

    /// <summary>As on the command line: M,C,H,W,OUTPUTS,KERNEL,STRIDE,PADDING.</summary>
    public override string ToString()
    {
        ConvolutionShape shape = Bench.Shape;
        return string.Create(
            CultureInfo.InvariantCulture,
            $"{Bench.Images},{shape.Channels},{shape.Height},{shape.Width},{Outputs},{shape.KernelHeight},{shape.Stride},{shape.Padding}");
    }
}
