namespace KFac.Kernels;

/// <summary>Maxima and means over windows of channels-last images, channel by channel, and their adjoints.</summary>
/// <remarks>
/// An image [H, W, C] is H·W rows of C columns, images stacked, as in <see cref="Convolution"/>; the window is the shape's kernel.
/// The shape has one group and no dilation, and its padding is at most half of the kernel's sides, so that every window has a pixel.
/// Padding takes no part in a maximum and counts as zeros in a mean. The first of equal maxima counts, in the order of the window's
/// rows; a NaN is larger than any number. Error of a mean and of gradients: <c>γ(n + 1)·Σ|terms|</c>, n the number of terms.
/// </remarks>
public static class Pooling
{
    /// <summary><c>y = max x</c> over the window at every output position.</summary>
    /// <param name="x">[M·H·W, C].</param>
    /// <param name="y">[M·H'·W', C].</param>
    /// <param name="places">[M·H'·W', C]: which element of the window was the largest, <c>row·k_w + column</c>, for the adjoint.</param>
    /// <exception cref="ArgumentException">The shape is not one for pooling, shapes disagree, or an output overlaps an input.</exception>
    public static void Max(DeviceStream stream, MatrixView<float> x, ConvolutionShape shape, MatrixView<float> y, MatrixView<float> places)
    {
        IPoolingKernel kernel = CheckPair(stream, x, shape, y);
        Check.View(stream, places, nameof(places));
        Check.Shape(places, y.Rows, y.Columns, nameof(places));
        Check.NoOverlap(y, x, nameof(y), nameof(x));
        Check.NoOverlap(places, x, nameof(places), nameof(x));
        Check.NoOverlap(places, y, nameof(places), nameof(y));
        kernel.Max(x, shape, y, places);
    }

    /// <summary>Adjoint of <see cref="Max"/>: every output's gradient goes to its largest pixel, <c>+ β·∂x</c>; one or more seeds stacked.</summary>
    /// <param name="outputGradient">[S·M·H'·W', C].</param>
    /// <param name="places">[M·H'·W', C], as the forward pass left them.</param>
    /// <param name="inputGradient">[S·M·H·W, C].</param>
    public static void MaxAdjoint(
        DeviceStream stream,
        MatrixView<float> outputGradient,
        MatrixView<float> places,
        ConvolutionShape shape,
        float beta,
        MatrixView<float> inputGradient)
    {
        IPoolingKernel kernel = CheckPair(stream, inputGradient, shape, outputGradient);
        Check.View(stream, places, nameof(places));
        Check.Shape(places, places.Rows, outputGradient.Columns, nameof(places));
        Check.Seeds(outputGradient.Rows, places.Rows, nameof(outputGradient));
        Check.Finite(beta);
        Check.NoOverlap(inputGradient, outputGradient, nameof(inputGradient), nameof(outputGradient));
        Check.NoOverlap(inputGradient, places, nameof(inputGradient), nameof(places));
        kernel.MaxAdjoint(outputGradient, places, shape, beta, inputGradient);
    }

    /// <summary><c>y = Σ x / (k_h·k_w)</c> over the window at every output position.</summary>
    /// <param name="x">[M·H·W, C].</param>
    /// <param name="y">[M·H'·W', C].</param>
    /// <inheritdoc cref="Max"/>
    public static void Average(DeviceStream stream, MatrixView<float> x, ConvolutionShape shape, MatrixView<float> y)
    {
        IPoolingKernel kernel = CheckPair(stream, x, shape, y);
        Check.NoOverlap(y, x, nameof(y), nameof(x));
        kernel.Average(x, shape, y);
    }

    /// <summary>Adjoint of <see cref="Average"/>, <c>+ β·∂x</c>.</summary>
    /// <param name="outputGradient">[S·M·H'·W', C].</param>
    /// <param name="inputGradient">[S·M·H·W, C].</param>
    public static void AverageAdjoint(
        DeviceStream stream, MatrixView<float> outputGradient, ConvolutionShape shape, float beta, MatrixView<float> inputGradient)
    {
        IPoolingKernel kernel = CheckPair(stream, inputGradient, shape, outputGradient);
        Check.Finite(beta);
        Check.NoOverlap(inputGradient, outputGradient, nameof(inputGradient), nameof(outputGradient));
        kernel.AverageAdjoint(outputGradient, shape, beta, inputGradient);
    }

    private static IPoolingKernel CheckPair(DeviceStream stream, MatrixView<float> x, ConvolutionShape shape, MatrixView<float> y)
    {
        IPoolingKernel kernel = Check.Kernel(stream, static table => table.Pooling, nameof(Pooling));
        ArgumentNullException.ThrowIfNull(shape);
        shape.Validate();
        if (shape.Groups != 1 || shape.Dilation != 1 || 2L * shape.Padding > Math.Min(shape.KernelHeight, shape.KernelWidth))
        {
            throw new ArgumentException(
                $"A window of {shape.KernelHeight}×{shape.KernelWidth} has padding {shape.Padding}, dilation {shape.Dilation} and {shape.Groups} groups; "
                + "wanted padding of at most half a window, no dilation and one group.",
                nameof(shape));
        }

        Check.View(stream, x, nameof(x));
        Check.View(stream, y, nameof(y));
        int pixels = shape.Height * shape.Width;
        if (x.Columns != shape.Channels || x.Rows % pixels != 0)
        {
            throw new ArgumentException($"The images are {x}; wanted a multiple of {pixels} rows of {shape.Channels} columns.", nameof(x));
        }

        Check.Shape(y, checked(x.Rows / pixels * shape.Positions), shape.Channels, nameof(y));
        return kernel;
    }
}

/// <summary>A device's implementation of <see cref="Pooling"/>.</summary>
internal interface IPoolingKernel
{
    void Max(MatrixView<float> x, ConvolutionShape shape, MatrixView<float> y, MatrixView<float> places);

    void MaxAdjoint(
        MatrixView<float> outputGradient, MatrixView<float> places, ConvolutionShape shape, float beta, MatrixView<float> inputGradient);

    void Average(MatrixView<float> x, ConvolutionShape shape, MatrixView<float> y);

    void AverageAdjoint(MatrixView<float> outputGradient, ConvolutionShape shape, float beta, MatrixView<float> inputGradient);
}
