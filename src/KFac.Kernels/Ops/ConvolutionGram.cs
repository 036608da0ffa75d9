namespace KFac.Kernels;

/// <summary>Gram matrices of the patches of a convolution's input, the input factors of K-FAC for convolutions: <c>C ← α·X̃ᵀX̃ + β·C</c>.</summary>
/// <remarks>
/// X holds an image [C, H, W] a row, or with <see cref="ConvolutionLayout.ChannelsLast"/> a pixel a row. X̃ has a row for every image and output position (expand), or one for every image
/// (reduce: the sum over its R positions, scaled); a row is the zero-padded patch, ordered [channel, kernel row, kernel
/// column], and with <c>appendOnes</c> a last element that holds what the same reduction makes of ones. X̃ is not formed.
/// <para>
/// With more than one group the result is one block of P columns for each, stacked: rows g·P to (g+1)·P are group g's, P
/// counting the appended ones. Each block is symmetric to the bit. With β = 0 the old C is not read; otherwise its blocks
/// must be symmetric and their lower triangles are what is read. C must not overlap X.
/// </para>
/// <para>
/// Error per element: at most <c>γ(M·R + 6)·(|α|·|X̃|ᵀ|X̃| + |β·C|)</c> for expand; for reduce <see cref="Gram"/>'s bound. With stride 1 a processor may expand through
/// Fourier transforms of the images, which brings up to <c>27·γ(M + 200)·|α|·‖xᵢ‖·‖xⱼ‖</c> to elements of channels i and j, with the norms of these channels over all pixels:
/// small beside the factor's diagonal, not beside elements that are much smaller than it. A NaN
/// reaches every element that multiplies it with a pixel, and may reach those that multiply it with padding only; it stays
/// out of all others.
/// </para>
/// </remarks>
public static class ConvolutionGram
{
    /// <summary>Every output position counts: K-FAC-expand.</summary>
    /// <param name="x">[M, C·H·W], or [M·H·W, C] with channels last.</param>
    /// <param name="gram">[groups·P, P], P = C/groups·k_h·k_w, and one more with <paramref name="appendOnes"/>.</param>
    /// <exception cref="ArgumentException">The convolution has no output, shapes disagree, or C overlaps X; C is untouched.</exception>
    public static void Expand(
        DeviceStream stream,
        MatrixView<float> x,
        ConvolutionShape shape,
        float alpha,
        float beta,
        MatrixView<float> gram,
        bool appendOnes = false,
        ConvolutionLayout layout = ConvolutionLayout.ChannelsFirst)
    {
        IConvolutionGramKernel kernel = CheckCommon(stream, x, shape, alpha, beta, gram, appendOnes, layout);
        kernel.Expand(new ConvolutionGramArguments(x, shape, SharingScale.Sum, alpha, beta, gram, appendOnes, layout));
    }

    /// <summary>An image's patches are reduced to one first: K-FAC-reduce.</summary>
    /// <inheritdoc cref="Expand"/>
    public static void Reduce(
        DeviceStream stream,
        MatrixView<float> x,
        ConvolutionShape shape,
        SharingScale scale,
        float alpha,
        float beta,
        MatrixView<float> gram,
        bool appendOnes = false,
        ConvolutionLayout layout = ConvolutionLayout.ChannelsFirst)
    {
        IConvolutionGramKernel kernel = CheckCommon(stream, x, shape, alpha, beta, gram, appendOnes, layout);
        kernel.Reduce(new ConvolutionGramArguments(x, shape, scale, alpha, beta, gram, appendOnes, layout));
    }

    private static IConvolutionGramKernel CheckCommon(
        DeviceStream stream,
        MatrixView<float> x,
        ConvolutionShape shape,
        float alpha,
        float beta,
        MatrixView<float> gram,
        bool appendOnes,
        ConvolutionLayout layout)
    {
        IConvolutionGramKernel kernel = Check.Kernel(stream, static table => table.ConvolutionGram, nameof(ConvolutionGram));
        ArgumentNullException.ThrowIfNull(shape);
        shape.Validate();
        Check.View(stream, x, nameof(x));
        Check.View(stream, gram, nameof(gram));
        CheckImages(x, shape, layout);
        int width = shape.PatchWidth + (appendOnes ? 1 : 0);
        Check.Shape(gram, checked(shape.Groups * width), width, nameof(gram));
        Check.Finite(alpha);
        Check.Finite(beta);
        Check.NoOverlap(gram, x, nameof(gram), nameof(x));
        return kernel;
    }

    private static void CheckImages(MatrixView<float> x, ConvolutionShape shape, ConvolutionLayout layout)
    {
        if (layout == ConvolutionLayout.ChannelsFirst)
        {
            Check.Same(x.Columns, shape.ImageElements, "columns of x", "elements of an image");
            return;
        }

        Check.Same(x.Columns, shape.Channels, "columns of x", "channels");
        if (x.Rows % shape.Pixels != 0)
        {
            throw new ArgumentException($"x has {x.Rows} rows; wanted a multiple of the {shape.Pixels} pixels of an image.");
        }
    }
}

/// <summary>Checked arguments.</summary>
internal readonly record struct ConvolutionGramArguments(
    MatrixView<float> X,
    ConvolutionShape Shape,
    SharingScale Scale,
    float Alpha,
    float Beta,
    MatrixView<float> Gram,
    bool AppendOnes,
    ConvolutionLayout Layout)
{
    /// <summary>M.</summary>
    public int Images => Layout == ConvolutionLayout.ChannelsFirst ? X.Rows : X.Rows / Shape.Pixels;
}

/// <summary>A device's implementation of <see cref="ConvolutionGram"/>.</summary>
internal interface IConvolutionGramKernel
{
    void Expand(in ConvolutionGramArguments arguments);

    void Reduce(in ConvolutionGramArguments arguments);
}
