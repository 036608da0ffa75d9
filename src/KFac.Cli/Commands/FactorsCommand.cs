using System.CommandLine;
using System.Diagnostics;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>kfac factors</c>: the Kronecker factors of one linear layer from its inputs and output gradients.</summary>
/// <remarks>The gradients are those of the loss summed over its terms, as PyTorch gives them for <c>reduction='sum'</c>.
/// JSON: <c>{device, approximation, examples, sharing, inputWidth, outputWidth, bias, a:{path, size}, b:{path, size},
/// seconds}</c>; <c>sharing</c> is 0 for ragged examples; <c>a.size</c> counts the bias; <c>seconds</c> is the computation
/// without reading and writing files. With <c>--conv</c>, widths and sizes are those of one group, and with more than one group
/// the files hold [groups, size, size].</remarks>
internal sealed class FactorsCommand : KfacCommand
{
    private readonly Option<string> _inputs = OptionFactory.Path(
        "--inputs", "Layer inputs X, .npy [M, P], [M, R, P], [M, d1, d2, …, P], [R_M, P] with --segments, or [M, C, H, W] with --conv.");

    private readonly Option<string> _gradients = OptionFactory.Path(
        "--output-gradients", "Gradients G of the summed loss, .npy shaped like X but for the last dimension, or [M, C_out, H_out, W_out] with --conv.");

    private readonly Option<string> _approximation = OptionFactory.Choice(
        "--approx", "K-FAC-expand or K-FAC-reduce; the same without sharing.", "expand", "expand", "reduce");

    private readonly Option<string?> _segments = OptionFactory.OptionalPath(
        "--segments", "Example index of each row, .npy int32 or int64, non-decreasing.");

    private readonly Option<int?> _examples = OptionFactory.Count(
        "--examples", "Number of ragged examples, where the last ones have no rows.", "M");

    private readonly Option<ConvolutionSettings?> _convolution = OptionFactory.OptionalText(
        "--conv", "The layer is a convolution.", ConvolutionSettings.Parse, ConvolutionSettings.Syntax);

    private readonly Option<bool> _bias = new("--bias") { Description = "Extend X by a constant 1, the bias, as its last column." };
    private readonly Option<string> _out = OptionFactory.Path("--out", "Where to write A.npy and B.npy.", "DIR");

    public FactorsCommand()
        : base("factors", "Compute the Kronecker factors of a linear layer.")
    {
        foreach (Option option in (Option[])[_inputs, _gradients, _approximation, _segments, _examples, _convolution, _bias, _out])
        {
            Add(option);
        }
    }

    /// <inheritdoc/>
    public override int Run(CommandContext context)
    {
        if (context.IsGiven(_examples) && !context.IsGiven(_segments))
        {
            throw new UsageException("--examples goes with --segments.");
        }

        if (context.IsGiven(_convolution) && context.IsGiven(_segments))
        {
            throw new UsageException("--conv does not go with --segments.");
        }

        string approximation = context.Required(_approximation);
        SharingApproximation setting = approximation == "expand" ? SharingApproximation.Expand : SharingApproximation.Reduce;
        bool hasBias = context.Get(_bias);
        string directory = context.Required(_out);
        using OutputFiles files = OutputFiles.InDirectory(directory);
        using Device device = context.OpenDevice();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        ILayerFiles layer = Read(context, stream, arena);
        int inputWidth = layer.InputWidth;
        int outputWidth = layer.OutputWidth;
        int sizeA = inputWidth + (hasBias ? 1 : 0);
        MatrixView<float> a = arena.Matrix<float>(layer.Groups * sizeA, sizeA);
        MatrixView<float> b = arena.Matrix<float>(layer.Groups * outputWidth, outputWidth);

        long start = Stopwatch.GetTimestamp();
        layer.InputFactor(stream, setting, hasBias, a);
        layer.OutputFactor(stream, setting, b);
        stream.Synchronize();
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        context.Cancellation.ThrowIfCancellationRequested();

        string pathA = Path.Combine(directory, "A.npy");
        string pathB = Path.Combine(directory, "B.npy");
        files.WriteNpy(pathA, stream, a.AsVector(), FileShape(layer.Groups, sizeA));
        files.WriteNpy(pathB, stream, b.AsVector(), FileShape(layer.Groups, outputWidth));
        files.Commit();
        var result = new FactorsResult(
            device.Name,
            approximation,
            layer.Examples,
            layer.Sharing,
            inputWidth,
            outputWidth,
            hasBias,
            new SquareFileResult(pathA, sizeA),
            new SquareFileResult(pathB, outputWidth),
            seconds);
        context.Report(result, CliJson.Default.FactorsResult, console => console.WriteFields(
            ("A", $"{pathA} ({sizeA}×{sizeA})"),
            ("B", $"{pathB} ({outputWidth}×{outputWidth})"),
            ("approximation", approximation),
            ("examples", $"{result.Examples}{(result.Sharing == 0 ? ", ragged" : $" × {result.Sharing}")}"),
            ("seconds", seconds.ToText())));
        return ExitCode.Success;
    }

    private ILayerFiles Read(CommandContext context, DeviceStream stream, Arena arena)
    {
        string inputs = context.Required(_inputs);
        string gradients = context.Required(_gradients);
        return context.Get(_convolution) is { } convolution
            ? ConvolutionFiles.Read(stream, arena, inputs, gradients, convolution)
            : LayerFiles.Read(stream, arena, inputs, gradients, context.Get(_segments), context.Get(_examples));
    }

    private static int[] FileShape(int groups, int size) => groups == 1 ? [size, size] : [groups, size, size];
}

/// <summary>Result of <see cref="FactorsCommand"/>.</summary>
internal sealed record FactorsResult(
    string Device,
    string Approximation,
    int Examples,
    int Sharing,
    int InputWidth,
    int OutputWidth,
    bool Bias,
    SquareFileResult A,
    SquareFileResult B,
    double Seconds);
