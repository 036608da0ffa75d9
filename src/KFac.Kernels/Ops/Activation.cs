namespace KFac.Kernels;

/// <summary>An element-wise non-linearity.</summary>
public enum ActivationKind
{
    /// <summary>max(x, 0); derivative 0 at 0; NaN stays NaN.</summary>
    Relu,

    /// <summary>tanh(x).</summary>
    Tanh,

    /// <summary>1/(1 + e⁻ˣ).</summary>
    Sigmoid,

    /// <summary>x·Φ(x) with the exact normal distribution function.</summary>
    Gelu,
}

/// <summary>Non-linearities and their derivatives.</summary>
/// <remarks>The constants bound the errors over all of float32. NaN stays NaN; −∞ and ∞ give the limits. In place is allowed.</remarks>
public static class Activation
{
    /// <summary>Largest error of <see cref="Forward"/> in units in the last place of the result, subnormal results included.</summary>
    public const int ForwardUlps = 8;

    /// <summary>Largest absolute error of f′(x) in <see cref="Backward"/>, 2⁻²²: tanh and sigmoid take it from the rounded y.</summary>
    public const float DerivativeError = 1f / (1 << 22);

    /// <summary><c>y ← f(x)</c>.</summary>
    public static void Forward(DeviceStream stream, ActivationKind kind, MatrixView<float> x, MatrixView<float> y)
    {
        IActivationKernel kernel = Check.Kernel(stream, static table => table.Activation, nameof(Activation));
        CheckKind(kind);
        Check.View(stream, x, nameof(x));
        Check.View(stream, y, nameof(y));
        Check.Shape(y, x.Rows, x.Columns, nameof(y));
        Check.InPlaceOrApart(y, x, nameof(y), nameof(x));
        kernel.Forward(kind, x, y);
    }

    /// <summary><c>inputGradient ← f′(x)·outputGradient</c> for one or more seeds stacked on top of each other.</summary>
    /// <param name="x">[N, P], the input of the forward pass.</param>
    /// <param name="y">[N, P], its output.</param>
    /// <param name="outputGradient">[S·N, P]: S seeds, each of N rows.</param>
    /// <param name="inputGradient">[S·N, P].</param>
    public static void Backward(
        DeviceStream stream,
        ActivationKind kind,
        MatrixView<float> x,
        MatrixView<float> y,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient)
    {
        IActivationKernel kernel = Check.Kernel(stream, static table => table.Activation, nameof(Activation));
        CheckKind(kind);
        Check.View(stream, x, nameof(x));
        Check.View(stream, y, nameof(y));
        Check.View(stream, outputGradient, nameof(outputGradient));
        Check.View(stream, inputGradient, nameof(inputGradient));
        Check.Shape(y, x.Rows, x.Columns, nameof(y));
        Check.Shape(inputGradient, outputGradient.Rows, x.Columns, nameof(inputGradient));
        Check.Shape(outputGradient, outputGradient.Rows, x.Columns, nameof(outputGradient));
        Check.Seeds(outputGradient.Rows, x.Rows, nameof(outputGradient));
        Check.InPlaceOrApart(inputGradient, outputGradient, nameof(inputGradient), nameof(outputGradient));
        Check.NoOverlap(inputGradient, x, nameof(inputGradient), nameof(x));
        Check.NoOverlap(inputGradient, y, nameof(inputGradient), nameof(y));
        kernel.Backward(kind, x, y, outputGradient, inputGradient);
    }

    private static void CheckKind(ActivationKind kind)
    {
        if (kind is < ActivationKind.Relu or > ActivationKind.Gelu)
        {
            throw new ArgumentException($"kind is {(int)kind}; wanted an {nameof(ActivationKind)}.", nameof(kind));
        }
    }
}

/// <summary>A device's implementation of <see cref="Activation"/>.</summary>
internal interface IActivationKernel
{
    void Forward(ActivationKind kind, MatrixView<float> x, MatrixView<float> y);

    void Backward(
        ActivationKind kind,
        MatrixView<float> x,
        MatrixView<float> y,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient);
}
