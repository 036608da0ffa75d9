using System.Globalization;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>A convolution as <c>--conv</c> gives it: all but the images it moves over.</summary>
internal sealed record ConvolutionSettings
{
    /// <summary>How it is written.</summary>
    public const string Syntax = "kernel=HxW[,stride=1][,padding=0][,dilation=1][,groups=1]";

    private int KernelHeight { get; init; }

    private int KernelWidth { get; init; }

    private int Stride { get; init; } = 1;

    private int Padding { get; init; }

    private int Dilation { get; init; } = 1;

    private int Groups { get; init; } = 1;

    /// <summary>Reads the text; null where it is not as <see cref="Syntax"/> says or a number is out of range.</summary>
    public static ConvolutionSettings? Parse(string text)
    {
        var settings = new ConvolutionSettings();
        var seen = new HashSet<string>();
        foreach (string part in text.Split(','))
        {
            string[] sides = part.Split('=');
            if (sides.Length != 2 || !seen.Add(sides[0]) || settings.With(sides[0], sides[1]) is not { } next)
            {
                return null;
            }

            settings = next;
        }

        return seen.Contains("kernel") ? settings : null;
    }

    /// <summary>The convolution over images of a size.</summary>
    public ConvolutionShape Over(int channels, int height, int width) => new()
    {
        Channels = channels,
        Height = height,
        Width = width,
        KernelHeight = KernelHeight,
        KernelWidth = KernelWidth,
        Stride = Stride,
        Padding = Padding,
        Dilation = Dilation,
        Groups = Groups,
    };

    private ConvolutionSettings? With(string key, string value)
    {
        if (key == "kernel")
        {
            string[] sides = value.Split('x');
            return sides.Length == 2 && Number(sides[0], 1) is { } height && Number(sides[1], 1) is { } width
                ? this with { KernelHeight = height, KernelWidth = width }
                : null;
        }

        return Number(value, key == "padding" ? 0 : 1) is not { } number ? null : key switch
        {
            "stride" => this with { Stride = number },
            "padding" => this with { Padding = number },
            "dilation" => this with { Dilation = number },
            "groups" => this with { Groups = number },
            _ => null,
        };
    }

    private static int? Number(string text, int least) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value >= least ? value : null;
}
