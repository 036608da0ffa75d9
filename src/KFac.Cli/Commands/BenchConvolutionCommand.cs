using System.CommandLine;
using System.Globalization;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>kfac bench convolution</c>: passes of convolutions, by default those of WRN-16-4's layers.</summary>
/// <remarks>A pass is timed once for every order of the elements of an image that the peer may have, each in rounds with ours.</remarks>
internal sealed class BenchConvolutionCommand : BenchCommand
{
    private readonly Option<ConvolutionLayer[]> _shapes = OptionFactory.Repeated<ConvolutionLayer>(
        "--shape",
        "M,C,H,W,OUTPUTS,KERNEL,STRIDE,PADDING",
        "Images, channels, rows, columns, output channels, side of the kernel, stride and padding; may be repeated. Default: layers of WRN-16-4.",
        [],
        Parse,
        "eight whole numbers with commas between, from 1 (PADDING from 0), inputs and outputs below 2³¹ elements, the kernel fitting the padded image");

    private readonly Option<string> _pass = OptionFactory.Choice("--pass", "What is timed.", "all", [.. ConvolutionPassCase.Passes, "all"]);

    public BenchConvolutionCommand()
        : base("convolution", "Time convolutions and their gradients.")
    {
        Add(_shapes);
        Add(_pass);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Func<Device, BenchCase>> Cases(CommandContext context)
    {
        string pass = context.Required(_pass);
        ConvolutionLayer[] given = context.Required(_shapes);
        return
        [
            .. from layer in given.Length == 0 ? ConvolutionLayer.Defaults : given
               from each in ConvolutionPassCase.Passes
               where pass == "all" || pass == each
               from form in ConvolutionPassCase.Forms.Take(HasPeer(context) ? int.MaxValue : 1)
               select (Func<Device, BenchCase>)(device => new ConvolutionPassCase(device, layer, each, form, context.Seed)),
        ];
    }

    private static ConvolutionLayer? Parse(string text)
    {
        string[] parts = text.Split(',');
        var numbers = new int[8];
        for (int i = 0; i < numbers.Length; i++)
        {
            if (parts.Length != 8 || !int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out numbers[i]) || (i < 7 && numbers[i] == 0))
            {
                return null;
            }
        }

        ConvolutionBench bench = ConvolutionBench.Of(numbers[0], numbers[1], numbers[2], numbers[3], numbers[5], numbers[6], numbers[7]);
        return Fits(bench, numbers[4]) ? new ConvolutionLayer(bench, numbers[4]) : null;
    }

    private static bool Fits(ConvolutionBench bench, int outputs)
    {
        try
        {
            bench.Shape.Validate();
        }
        catch (ArgumentException)
        {
            return false;
        }

        return (Int128)bench.Images * bench.Shape.ImageElements <= int.MaxValue
            && (Int128)bench.Images * bench.Shape.Positions * outputs <= int.MaxValue
            && (Int128)bench.Shape.PatchWidth * outputs <= int.MaxValue;
    }
}
