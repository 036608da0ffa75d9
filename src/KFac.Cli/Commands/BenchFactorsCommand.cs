using System.CommandLine;
using System.Globalization;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>kfac bench factors</c>: Kronecker factors from a layer's inputs.</summary>
/// <remarks>Where shapes of one kind are given, only those are timed. Graphs of different sizes are reduced only: under expand
/// they are rows like any others. A factor is timed once for every form that the peer has, each in rounds with ours.</remarks>
internal sealed class BenchFactorsCommand : BenchCommand
{
    private const int LargestWidth = 32768;

    private readonly Option<FactorShape[]> _shapes = OptionFactory.Repeated<FactorShape>(
        "--shape",
        "M,R,P",
        "Examples, sharing positions and features; may be repeated.",
        [],
        ParseShape,
        "three whole numbers from 1 with commas between, M·R·P below 2³¹, P at most 32768");

    private readonly Option<RaggedShape[]> _ragged = OptionFactory.Repeated<RaggedShape>(
        "--segments",
        "M,LEAST,MOST,P",
        "Graphs, their least and most nodes, and features; may be repeated.",
        [],
        ParseRagged,
        "four whole numbers from 1 with commas between, LEAST at most MOST, M·MOST·P below 2³¹, P at most 32768");

    private readonly Option<ConvolutionBench[]> _convolutions = OptionFactory.Repeated<ConvolutionBench>(
        "--conv",
        "M,C,H,W,KERNEL,STRIDE,PADDING",
        "Images, channels (in and out), rows, columns, side of the kernel, stride and padding; both factors; may be repeated.",
        [],
        ParseConvolution,
        "seven whole numbers with commas between, from 1 (PADDING from 0), M·C·H·W below 2³¹, C·KERNEL² at most 32768, the kernel fitting the padded image");

    private readonly Option<string> _approx = OptionFactory.Choice("--approx", "K-FAC's approximation.", "both", "expand", "reduce", "both");

    public BenchFactorsCommand()
        : base("factors", "Time Kronecker factors.", hasErrors: true)
    {
        Add(_shapes);
        Add(_ragged);
        Add(_convolutions);
        Add(_approx);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Func<Device, BenchCase>> Cases(CommandContext context)
    {
        SharingApproximation[] approximations = context.Required(_approx) switch
        {
            "expand" => [SharingApproximation.Expand],
            "reduce" => [SharingApproximation.Reduce],
            _ => [SharingApproximation.Expand, SharingApproximation.Reduce],
        };
        bool all = !context.IsGiven(_shapes) && !context.IsGiven(_ragged) && !context.IsGiven(_convolutions);
        IReadOnlyList<RaggedShape> ragged = all ? RaggedShape.Defaults : context.Required(_ragged);
        return
        [
            .. from approximation in approximations
               from shape in all ? FactorShape.Defaults : context.Required(_shapes)
               from form in FactorCase.Forms(approximation).Take(HasPeer(context) ? int.MaxValue : 1)
               select (Func<Device, BenchCase>)(device => new FactorCase(device, shape, approximation, form, context.Seed)),
            .. from shape in approximations.Contains(SharingApproximation.Reduce) ? ragged : []
               select (Func<Device, BenchCase>)(device => new RaggedCase(device, shape, context.Seed)),
            .. from approximation in approximations
               from convolution in all ? ConvolutionBench.Defaults : context.Required(_convolutions)
               from form in ConvolutionCase.Forms(approximation).Take(HasPeer(context) ? int.MaxValue : 1)
               select (Func<Device, BenchCase>)(device => new ConvolutionCase(device, convolution, approximation, form, context.Seed)),
        ];
    }

    private static FactorShape? ParseShape(string text) =>
        Numbers(text) is [> 0 and var m, > 0 and var r, > 0 and <= LargestWidth and var p] && (Int128)m * r * p <= int.MaxValue
            ? new FactorShape(m, r, p)
            : null;

    private static RaggedShape? ParseRagged(string text) =>
        Numbers(text) is [> 0 and var m, > 0 and var least, var most, > 0 and <= LargestWidth and var p]
            && least <= most && (Int128)m * most * p <= int.MaxValue
            ? new RaggedShape(m, least, most, p)
            : null;

    private static ConvolutionBench? ParseConvolution(string text)
    {
        if (Numbers(text) is not [> 0 and var m, var c, var h, var w, > 0 and <= LargestWidth and var kernel, var stride, var padding])
        {
            return null;
        }

        var bench = ConvolutionBench.Of(m, c, h, w, kernel, stride, padding);
        try
        {
            bench.Shape.Validate();
        }
        catch (ArgumentException)
        {
            return null;
        }

        bool fits = (Int128)m * c * h * w <= int.MaxValue && (Int128)m * c * bench.Shape.Positions <= int.MaxValue;
        return fits && bench.Shape.PatchWidth <= LargestWidth ? bench : null;
    }

    /// <summary>Whole numbers from 0 with commas between; none where the text is something else.</summary>
    private static int[] Numbers(string text)
    {
        string[] parts = text.Split(',');
        var numbers = new int[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            if (!int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]))
            {
                return [];
            }
        }

        return numbers;
    }
}
