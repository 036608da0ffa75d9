namespace KFac.Kernels;

/// <summary>Two-dimensional convolution (cross-correlation) of channels-last images, and its gradients.</summary>
/// <remarks>
/// An image [H, W, C] is H·W rows of C columns, images stacked: X is [M·H·W, C], Y is [M·H'·W', C_out] with H'·W' the output
/// positions. A row of the weights [C_out, P] is ordered [channel, kernel row, kernel column], P = C·k_h·k_w, and may be followed
/// by a bias: weights of P + 1 columns have one. With x̃ the zero-padded patch of an output position, extended by 1 with a bias,
/// <c>y = W·x̃</c>, <c>∂W = Σ ∂y·x̃ᵀ</c>, and ∂x is the adjoint of the first. Patches are formed a few rows at a time, never those of the batch.
/// <para>
/// A group of a grouped convolution is a call of its own, on column ranges of X and Y; the shape must have one group. Any row
/// strides. Outputs must not overlap inputs. With β = 0 the old output is not read.
/// </para>
/// <para>
/// Error per element: at most <c>γ(n + 4)·(Σ|terms| + |β·old|)</c> with n the number of terms: P + 1 for Y, k_h·k_w·C_out for ∂X,
/// M·H'·W' for ∂W. A NaN reaches the elements that its terms belong to, and no others; a weight that is not finite may make
/// outputs at the border NaN too, where it would multiply padding.
/// </para>
/// </remarks>
public static class Convolution
{
    /// <summary><c>y = W·x̃</c> at every output position.</summary>
    /// <param name="x">[M·H·W, C].</param>
    /// <param name="weights">[C_out, P], or [C_out, P + 1] with the bias as last column.</param>
    /// <param name="y">[M·H'·W', C_out].</param>
    /// <exception cref="ArgumentException">The convolution has no output or more than one group, shapes disagree, or Y overlaps an input; Y is untouched.</exception>
    public static void Forward(
        DeviceStream stream, MatrixView<float> x, ConvolutionShape shape, MatrixView<float> weights, MatrixView<float> y)
    {
        IConvolutionKernel kernel = CheckCommon(stream, x, shape, weights, y, nameof(y));
        Check.NoOverlap(y, x, nameof(y), nameof(x));
        Check.NoOverlap(y, weights, nameof(y), nameof(weights));
        kernel.Forward(new ConvolutionArguments(shape, x, weights, y, 0f));
    }

    /// <summary><c>∂x ← Wᵀ·∂y</c>, gathered over the positions that see a pixel, <c>+ β·∂x</c>; one or more seeds stacked on top of each other.</summary>
    /// <param name="outputGradient">[S·M·H'·W', C_out].</param>
    /// <param name="weights">As in the forward pass; a bias is not read.</param>
    /// <param name="inputGradient">[S·M·H·W, C].</param>
    /// <inheritdoc cref="Forward"/>
    public static void InputGradient(
        DeviceStream stream,
        MatrixView<float> outputGradient,
        ConvolutionShape shape,
        MatrixView<float> weights,
        float beta,
        MatrixView<float> inputGradient)
    {
        IConvolutionKernel kernel = CheckCommon(stream, inputGradient, shape, weights, outputGradient, nameof(outputGradient));
        Check.Finite(beta);
        Check.NoOverlap(inputGradient, outputGradient, nameof(inputGradient), nameof(outputGradient));
        Check.NoOverlap(inputGradient, weights, nameof(inputGradient), nameof(weights));
        kernel.InputGradient(new ConvolutionArguments(shape, inputGradient, weights, outputGradient, beta));
    }

    /// <summary><c>∂W ← Σ ∂y·x̃ᵀ + β·∂W</c> over images and output positions.</summary>
    /// <param name="x">[M·H·W, C].</param>
    /// <param name="outputGradient">[M·H'·W', C_out].</param>
    /// <param name="weightGradient">[C_out, P], or [C_out, P + 1] with the gradient of the bias as last column.</param>
    /// <inheritdoc cref="Forward"/>
    public static void WeightGradient(
        DeviceStream stream,
        MatrixView<float> x,
        ConvolutionShape shape,
        MatrixView<float> outputGradient,
        float beta,
        MatrixView<float> weightGradient)
    {
        IConvolutionKernel kernel = CheckCommon(stream, x, shape, weightGradient, outputGradient, nameof(outputGradient));
        Check.Finite(beta);
        Check.NoOverlap(weightGradient, x, nameof(weightGradient), nameof(x));
        Check.NoOverlap(weightGradient, outputGradient, nameof(weightGradient), nameof(outputGradient));
        kernel.WeightGradient(new ConvolutionArguments(shape, x, weightGradient, outputGradient, beta));
    }

    /// <param name="x">On the side of the images.</param>
    /// <param name="y">On the side of the output positions.</param>
    private static IConvolutionKernel CheckCommon(
        DeviceStream stream, MatrixView<float> x, ConvolutionShape shape, MatrixView<float> weights, MatrixView<float> y, string name)
    {
        IConvolutionKernel kernel = Check.Kernel(stream, static table => table.Convolution, nameof(Convolution));
        ArgumentNullException.ThrowIfNull(shape);
        shape.Validate();
        if (shape.Groups != 1)
        {
            throw new ArgumentException($"The shape has {shape.Groups} groups; wanted one, each group a call on its columns.", nameof(shape));
        }

        Check.View(stream, x, nameof(x));
        Check.View(stream, weights, nameof(weights));
        Check.View(stream, y, name);
        int width = weights.Columns == shape.PatchWidth + 1 ? shape.PatchWidth + 1 : shape.PatchWidth;
        Check.Shape(weights, weights.Rows, width, nameof(weights));
        int pixels = shape.Height * shape.Width;
        if (x.Columns != shape.Channels || x.Rows % pixels != 0)
        {
            throw new ArgumentException($"x is {x}; wanted a multiple of {pixels} rows of {shape.Channels} columns.", nameof(x));
        }

        Check.Shape(y, checked(x.Rows / pixels * shape.Positions), weights.Rows, name);
        return kernel;
    }
}

/// <summary>Checked arguments, X and Y being values or gradients.</summary>
internal readonly record struct ConvolutionArguments(
    ConvolutionShape Shape, MatrixView<float> X, MatrixView<float> Weights, MatrixView<float> Y, float Beta)
{
    public int Images => X.Rows / (Shape.Height * Shape.Width);

    public bool HasBias => Weights.Columns > Shape.PatchWidth;
}

/// <summary>A device's implementation of <see cref="Convolution"/>.</summary>
internal interface IConvolutionKernel
{
    void Forward(in ConvolutionArguments arguments);

    void InputGradient(in ConvolutionArguments arguments);

    void WeightGradient(in ConvolutionArguments arguments);
}
