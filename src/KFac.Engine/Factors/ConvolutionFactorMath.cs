using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Kronecker factors of a convolution from its images, a linear layer that shares weights over the R output positions.</summary>
/// <remarks>The table of <see cref="FactorMath"/> with patches as rows, none of which is formed. With groups of channels there
/// is a pair of factors for each, and they are stacked. Error: that of <see cref="ConvolutionGram"/>.</remarks>
public static class ConvolutionFactorMath
{
    /// <summary>A: <c>1/(M·R)</c> times the sum over patches under expand, <c>1/M</c> times that over mean patches under reduce.</summary>
    /// <param name="inputs">[M, C·H·W], or [M·H·W, C] with channels last.</param>
    /// <param name="factor">[groups·P_in, P_in] with P_in = C/groups·k_h·k_w, and one more with a bias; receives A.</param>
    /// <exception cref="ArgumentException">The convolution has no output, or shapes disagree.</exception>
    public static void InputFactor(
        DeviceStream stream,
        MatrixView<float> inputs,
        ConvolutionShape shape,
        SharingApproximation approximation,
        bool hasBias,
        MatrixView<float> factor,
        ConvolutionLayout layout = ConvolutionLayout.ChannelsFirst)
    {
        ArgumentNullException.ThrowIfNull(shape);
        shape.Validate();
        double images = layout == ConvolutionLayout.ChannelsFirst ? inputs.Rows : inputs.Rows / shape.Pixels;
        double count = approximation == SharingApproximation.Expand ? images * shape.Positions : images;
        float alpha = count == 0 ? 0 : (float)(1 / count);
        AddInputs(stream, inputs, shape, layout, approximation, hasBias, alpha, 0, factor);
    }

    /// <summary>B: the sum over output positions under expand, and over images of their summed gradients under reduce.</summary>
    /// <param name="gradients">[M, C_out·H_out·W_out], or [M·H_out·W_out, C_out] with channels last, of the loss summed over its terms.</param>
    /// <param name="outputChannels">C_out, a multiple of the groups.</param>
    /// <param name="factor">[C_out, C_out/groups], receives B.</param>
    /// <inheritdoc cref="InputFactor"/>
    public static void OutputFactor(
        DeviceStream stream,
        MatrixView<float> gradients,
        ConvolutionShape shape,
        int outputChannels,
        SharingApproximation approximation,
        MatrixView<float> factor,
        ConvolutionLayout layout = ConvolutionLayout.ChannelsFirst)
    {
        ArgumentNullException.ThrowIfNull(shape);
        shape.Validate();

        // Its own pixels are a gradient's patches: those of a kernel of one element.
        var outputs = new ConvolutionShape
        {
            Channels = outputChannels,
            Height = shape.OutputHeight,
            Width = shape.OutputWidth,
            KernelHeight = 1,
            KernelWidth = 1,
            Groups = shape.Groups,
        };
        if (approximation == SharingApproximation.Expand)
        {
            ConvolutionGram.Expand(stream, gradients, outputs, 1, 0, factor, layout: layout);
        }
        else
        {
            ConvolutionGram.Reduce(stream, gradients, outputs, SharingScale.Sum, 1, 0, factor, layout: layout);
        }
    }

    /// <summary><c>factor ← alpha · Σ ã·ãᵀ + beta·factor</c>, over patches or mean patches.</summary>
    internal static void AddInputs(
        DeviceStream stream,
        MatrixView<float> inputs,
        ConvolutionShape shape,
        ConvolutionLayout layout,
        SharingApproximation approximation,
        bool hasBias,
        float alpha,
        float beta,
        MatrixView<float> factor)
    {
        if (approximation == SharingApproximation.Expand)
        {
            ConvolutionGram.Expand(stream, inputs, shape, alpha, beta, factor, hasBias, layout);
        }
        else
        {
            ConvolutionGram.Reduce(stream, inputs, shape, SharingScale.Mean, alpha, beta, factor, hasBias, layout);
        }
    }
}
