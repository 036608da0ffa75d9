namespace KFac.Kernels;

/// <summary>Where a two-dimensional convolution takes its patches: images of C·H·W elements, zero-padded, and a kernel that moves over them.</summary>
/// <remarks>Stride, padding and dilation hold for both axes. A patch is ordered [channel, kernel row, kernel column], as a row
/// of the weight [C_out, C_in / groups, k_h, k_w] is.</remarks>
public sealed record ConvolutionShape
{
    /// <summary>C, the input's channels; a multiple of <see cref="Groups"/>.</summary>
    public required int Channels { get; init; }

    /// <summary>H, rows of an image.</summary>
    public required int Height { get; init; }

    /// <summary>W, columns of an image.</summary>
    public required int Width { get; init; }

    /// <summary>k_h, rows of the kernel.</summary>
    public required int KernelHeight { get; init; }

    /// <summary>k_w, columns of the kernel.</summary>
    public required int KernelWidth { get; init; }

    /// <summary>Pixels from one output position to the next.</summary>
    public int Stride { get; init; } = 1;

    /// <summary>Zeros beyond each of the four edges.</summary>
    public int Padding { get; init; }

    /// <summary>Pixels from one element of the kernel to the next.</summary>
    public int Dilation { get; init; } = 1;

    /// <summary>Groups of channels that are convolved apart.</summary>
    public int Groups { get; init; } = 1;

    /// <summary>Rows of the output.</summary>
    public int OutputHeight => Outputs(Height, KernelHeight);

    /// <summary>Columns of the output.</summary>
    public int OutputWidth => Outputs(Width, KernelWidth);

    /// <summary>R, the output positions of an image: the sharing dimension.</summary>
    public int Positions => OutputHeight * OutputWidth;

    /// <summary>P, the elements of a patch of one group.</summary>
    public int PatchWidth => Channels / Groups * KernelHeight * KernelWidth;

    /// <summary>H·W.</summary>
    public int Pixels => Height * Width;

    /// <summary>Elements of an image, C·H·W.</summary>
    public int ImageElements => Channels * Height * Width;

    /// <summary>Checks that there is an output and that sizes fit into 32 bits.</summary>
    /// <exception cref="ArgumentException">They do not; the message says what was wanted.</exception>
    public void Validate()
    {
        Positive(Channels, nameof(Channels));
        Positive(Height, nameof(Height));
        Positive(Width, nameof(Width));
        Positive(KernelHeight, nameof(KernelHeight));
        Positive(KernelWidth, nameof(KernelWidth));
        Positive(Stride, nameof(Stride));
        Positive(Dilation, nameof(Dilation));
        Positive(Groups, nameof(Groups));
        Limit(Padding, 0, nameof(Padding));
        if (Channels % Groups != 0)
        {
            throw new ArgumentException($"Channels is {Channels}; wanted a multiple of the {Groups} groups.");
        }

        Fits((long)Channels * Height, Width, "an image");
        Fits((long)Channels / Groups * KernelHeight, KernelWidth, "a patch");
        Fits((long)Height + (2L * Padding), (long)Width + (2L * Padding), "a padded channel");
        Covers(Height, KernelHeight, "rows");
        Covers(Width, KernelWidth, "columns");
    }

    private static void Positive(int value, string name) => Limit(value, 1, name);

    private static void Limit(int value, int least, string name)
    {
        if (value < least)
        {
            throw new ArgumentException($"{name} is {value}; wanted at least {least}.");
        }
    }

    private static void Fits(long rows, long columns, string what)
    {
        if (rows > int.MaxValue || rows * columns > int.MaxValue)
        {
            throw new ArgumentException($"{what} has {rows}×{columns} elements; wanted at most {int.MaxValue}.");
        }
    }

    private void Covers(int size, int kernel, string axis)
    {
        long span = ((kernel - 1L) * Dilation) + 1;
        if (span > size + (2L * Padding))
        {
            throw new ArgumentException(
                $"The kernel covers {span} {axis} and the padded image has {size + (2L * Padding)}; wanted the kernel to fit.");
        }
    }

    private int Outputs(int size, int kernel) => ((size + (2 * Padding) - ((kernel - 1) * Dilation) - 1) / Stride) + 1;
}
