namespace KFac.Kernels;

/// <summary>What Fixup networks do between convolutions (Zhang et al. 2019), each chain in one pass over memory: a rectifier between two scalar
/// biases, and the addition of a scaled branch.</summary>
/// <remarks>
/// Scalars are vectors of one element on the device. Gradients of scalars are summed in float64, in an order that the shape fixes alone.
/// NaN stays NaN. Other operands than those that are named must not overlap.
/// </remarks>
public static class Fixup
{
    /// <summary><c>y ← max(x + before, 0) + after</c>.</summary>
    /// <remarks>Error: <c>γ(2)·(|x| + |before|) + γ(1)·|after|</c>.</remarks>
    /// <param name="x">[N, P].</param>
    /// <param name="before">[1].</param>
    /// <param name="after">[1].</param>
    /// <param name="y">[N, P]; may be x.</param>
    public static void Activate(
        DeviceStream stream, MatrixView<float> x, VectorView<float> before, VectorView<float> after, MatrixView<float> y)
    {
        IFixupKernel kernel = Kernel(stream, x, before, after, y, nameof(y));
        Check.InPlaceOrApart(y, x, nameof(y), nameof(x));
        kernel.Activate(x, before, after, y);
    }

    /// <summary><c>∂x ← [x + before &gt; 0]·∂y</c>, exactly, for one or more seeds stacked on top of each other.</summary>
    /// <param name="x">[N, P], the input of the forward pass.</param>
    /// <param name="before">[1].</param>
    /// <param name="outputGradient">∂y, [S·N, P].</param>
    /// <param name="inputGradient">∂x, alike; may be <paramref name="outputGradient"/>.</param>
    public static void ActivateBackward(
        DeviceStream stream, MatrixView<float> x, VectorView<float> before, MatrixView<float> outputGradient, MatrixView<float> inputGradient) =>
        BackwardKernel(stream, x, before, outputGradient, inputGradient).ActivateBackward(x, before, outputGradient, inputGradient, default);

    /// <summary>The same of one seed, with <c>∂before ← Σ ∂x + beta·∂before</c> and <c>∂after ← Σ ∂y + beta·∂after</c>.</summary>
    /// <remarks>Error of a sum: <c>γ(2)·(Σ|terms| + |beta·old|)</c>.</remarks>
    /// <param name="beforeGradient">[1].</param>
    /// <param name="afterGradient">[1].</param>
    /// <inheritdoc cref="ActivateBackward(DeviceStream, MatrixView{float}, VectorView{float}, MatrixView{float}, MatrixView{float})"/>
    public static void ActivateBackward(
        DeviceStream stream,
        MatrixView<float> x,
        VectorView<float> before,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient,
        float beta,
        VectorView<float> beforeGradient,
        VectorView<float> afterGradient)
    {
        IFixupKernel kernel = BackwardKernel(stream, x, before, outputGradient, inputGradient);
        CheckSums(stream, x, before, outputGradient, inputGradient, beta, beforeGradient, afterGradient);
        kernel.ActivateBackward(x, before, outputGradient, inputGradient, new ScalarGradients(beforeGradient, afterGradient, beta));
    }

    /// <summary><c>y ← skip + scale·(multiplier·x + bias)</c>.</summary>
    /// <remarks>Error: <c>γ(4)·(|scale·multiplier·x| + |scale·bias|) + γ(1)·|skip|</c>.</remarks>
    /// <param name="skip">[N, P].</param>
    /// <param name="x">[N, P], the branch.</param>
    /// <param name="multiplier">[1].</param>
    /// <param name="bias">[1].</param>
    /// <param name="y">[N, P]; may be skip.</param>
    public static void Join(
        DeviceStream stream,
        MatrixView<float> skip,
        MatrixView<float> x,
        VectorView<float> multiplier,
        VectorView<float> bias,
        float scale,
        MatrixView<float> y)
    {
        IFixupKernel kernel = Kernel(stream, x, multiplier, bias, y, nameof(y));
        Check.View(stream, skip, nameof(skip));
        Check.Shape(skip, x.Rows, x.Columns, nameof(skip));
        Check.Finite(scale);
        Check.InPlaceOrApart(y, skip, nameof(y), nameof(skip));
        Check.NoOverlap(y, x, nameof(y), nameof(x));
        kernel.Join(skip, x, multiplier, bias, scale, y);
    }

    /// <summary><c>∂x ← scale·multiplier·∂y</c> for one or more seeds stacked on top of each other.</summary>
    /// <remarks>Error: <c>γ(2)·|scale·multiplier·∂y|</c>.</remarks>
    /// <param name="x">[N, P], the branch of the forward pass.</param>
    /// <param name="multiplier">[1].</param>
    /// <param name="outputGradient">∂y, [S·N, P].</param>
    /// <param name="inputGradient">∂x, alike; may be <paramref name="outputGradient"/>.</param>
    public static void JoinBackward(
        DeviceStream stream,
        MatrixView<float> x,
        VectorView<float> multiplier,
        float scale,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient)
    {
        IFixupKernel kernel = BackwardKernel(stream, x, multiplier, outputGradient, inputGradient);
        Check.Finite(scale);
        kernel.JoinBackward(x, multiplier, scale, outputGradient, inputGradient, default);
    }

    /// <summary>The same of one seed, with <c>∂multiplier ← scale·Σ x∘∂y + beta·∂multiplier</c> and <c>∂bias ← scale·Σ ∂y + beta·∂bias</c>.</summary>
    /// <remarks>Error of a sum: <c>γ(2)·(Σ|terms| + |beta·old|)</c>.</remarks>
    /// <param name="multiplierGradient">[1].</param>
    /// <param name="biasGradient">[1].</param>
    /// <inheritdoc cref="JoinBackward(DeviceStream, MatrixView{float}, VectorView{float}, float, MatrixView{float}, MatrixView{float})"/>
    public static void JoinBackward(
        DeviceStream stream,
        MatrixView<float> x,
        VectorView<float> multiplier,
        float scale,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient,
        float beta,
        VectorView<float> multiplierGradient,
        VectorView<float> biasGradient)
    {
        IFixupKernel kernel = BackwardKernel(stream, x, multiplier, outputGradient, inputGradient);
        Check.Finite(scale);
        CheckSums(stream, x, multiplier, outputGradient, inputGradient, beta, multiplierGradient, biasGradient);
        kernel.JoinBackward(x, multiplier, scale, outputGradient, inputGradient, new ScalarGradients(multiplierGradient, biasGradient, beta));
    }

    private static IFixupKernel Kernel(
        DeviceStream stream, MatrixView<float> x, VectorView<float> first, VectorView<float> second, MatrixView<float> output, string name)
    {
        IFixupKernel kernel = Check.Kernel(stream, static table => table.Fixup, nameof(Fixup));
        Check.View(stream, x, nameof(x));
        Check.View(stream, output, name);
        Check.Shape(output, x.Rows, x.Columns, name);
        CheckScalar(stream, first, "the first scalar", output);
        CheckScalar(stream, second, "the second scalar", output);
        return kernel;
    }

    private static IFixupKernel BackwardKernel(
        DeviceStream stream, MatrixView<float> x, VectorView<float> scalar, MatrixView<float> outputGradient, MatrixView<float> inputGradient)
    {
        IFixupKernel kernel = Check.Kernel(stream, static table => table.Fixup, nameof(Fixup));
        Check.View(stream, x, nameof(x));
        Check.View(stream, outputGradient, nameof(outputGradient));
        Check.View(stream, inputGradient, nameof(inputGradient));
        Check.Shape(outputGradient, outputGradient.Rows, x.Columns, nameof(outputGradient));
        Check.Shape(inputGradient, outputGradient.Rows, x.Columns, nameof(inputGradient));
        Check.Seeds(outputGradient.Rows, x.Rows, nameof(outputGradient));
        Check.InPlaceOrApart(inputGradient, outputGradient, nameof(inputGradient), nameof(outputGradient));
        Check.NoOverlap(inputGradient, x, nameof(inputGradient), nameof(x));
        CheckScalar(stream, scalar, "the scalar", inputGradient);
        return kernel;
    }

    private static void CheckSums(
        DeviceStream stream,
        MatrixView<float> x,
        VectorView<float> scalar,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient,
        float beta,
        VectorView<float> first,
        VectorView<float> second)
    {
        Check.Shape(outputGradient, x.Rows, x.Columns, nameof(outputGradient));
        Check.Finite(beta);
        Check.NoOverlap(first, second, "a scalar's gradient", "another");
        foreach (VectorView<float> sum in (ReadOnlySpan<VectorView<float>>)[first, second])
        {
            CheckScalar(stream, sum, "a scalar's gradient", inputGradient);
            Check.NoOverlap(sum, x, "a scalar's gradient", nameof(x));
            Check.NoOverlap(sum, outputGradient, "a scalar's gradient", nameof(outputGradient));
            Check.NoOverlap(sum, scalar, "a scalar's gradient", "the scalar");
        }
    }

    private static void CheckScalar(DeviceStream stream, VectorView<float> scalar, string name, MatrixView<float> output)
    {
        Check.View(stream, scalar, name);
        Check.Length(scalar, 1, name);
        Check.NoOverlap(output, scalar, "the output", name);
    }
}

/// <summary>Where the gradients of two scalars go, with <c>gradient ← sum + beta·gradient</c>; empty for nowhere.</summary>
internal readonly record struct ScalarGradients(VectorView<float> First, VectorView<float> Second, float Beta)
{
    /// <summary>Whether the sums are wanted.</summary>
    public bool AreWanted => !First.IsEmpty;
}

/// <summary>A device's implementation of <see cref="Fixup"/>.</summary>
internal interface IFixupKernel
{
    void Activate(MatrixView<float> x, VectorView<float> before, VectorView<float> after, MatrixView<float> y);

    void ActivateBackward(
        MatrixView<float> x, VectorView<float> before, MatrixView<float> outputGradient, MatrixView<float> inputGradient, in ScalarGradients sums);

    void Join(
        MatrixView<float> skip, MatrixView<float> x, VectorView<float> multiplier, VectorView<float> bias, float scale, MatrixView<float> y);

    void JoinBackward(
        MatrixView<float> x,
        VectorView<float> multiplier,
        float scale,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient,
        in ScalarGradients sums);
}
