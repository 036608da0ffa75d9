namespace KFac.Kernels;

/// <summary>Independent Bernoulli likelihoods on logits: losses, gradients, samples, and the root of the Hessian.</summary>
/// <remarks>A NaN target masks its element: loss, gradient, sample and root are zero (the sample NaN) there.</remarks>
public static class BernoulliCrossEntropy
{
    /// <summary><c>p = σ(z)</c>; a row's loss is <c>Σ_c max(z,0) − z·t + log(1 + e^{−|z|})</c>.</summary>
    /// <remarks>Error: <c>γ(8)·p</c>, and <c>γ(C + 8)·Σ_c (2|z| + 1)</c> in a row's loss. A NaN or infinite logit shows in p and,
    /// unless masked, makes the loss NaN.</remarks>
    /// <param name="logits">[N, C].</param>
    /// <param name="targets">[N, C], from 0 to 1 or NaN.</param>
    /// <param name="probabilities">[N, C].</param>
    /// <param name="losses">[N].</param>
    public static void Forward(
        DeviceStream stream,
        MatrixView<float> logits,
        MatrixView<float> targets,
        MatrixView<float> probabilities,
        VectorView<float> losses)
    {
        IBernoulliCrossEntropyKernel kernel = Kernel(stream, logits, targets);
        Check.View(stream, probabilities, nameof(probabilities));
        Check.View(stream, losses, nameof(losses));
        Check.Shape(probabilities, logits.Rows, logits.Columns, nameof(probabilities));
        Check.Length(losses, logits.Rows, nameof(losses));
        Check.InPlaceOrApart(probabilities, logits, nameof(probabilities), nameof(logits));
        Check.NoOverlap(probabilities, targets, nameof(probabilities), nameof(targets));
        Check.NoOverlap(losses, logits, nameof(losses), nameof(logits));
        Check.NoOverlap(losses, targets, nameof(losses), nameof(targets));
        Check.NoOverlap(losses, probabilities, nameof(losses), nameof(probabilities));
        kernel.Forward(logits, targets, probabilities, losses);
    }

    /// <summary><c>gradient = scale·(p − t)</c>.</summary>
    public static void Gradient(
        DeviceStream stream, MatrixView<float> probabilities, MatrixView<float> targets, float scale, MatrixView<float> gradient)
    {
        IBernoulliCrossEntropyKernel kernel = Kernel(stream, probabilities, targets);
        Check.View(stream, gradient, nameof(gradient));
        Check.Shape(gradient, probabilities.Rows, probabilities.Columns, nameof(gradient));
        Check.InPlaceOrApart(gradient, probabilities, nameof(gradient), nameof(probabilities));
        Check.InPlaceOrApart(gradient, targets, nameof(gradient), nameof(targets));
        Check.Finite(scale);
        kernel.Gradient(probabilities, targets, scale, gradient);
    }

    /// <summary>Draws targets: 1 where <c>u &lt; p</c>, else 0; element (i, c) uses Philox number <c>offset + i·C + c</c> of
    /// <see cref="Philox.Uniform"/>'s sequence. Masked elements stay NaN.</summary>
    public static void Sample(
        DeviceStream stream,
        MatrixView<float> probabilities,
        MatrixView<float> targets,
        DeviceKey key,
        ulong offset,
        MatrixView<float> sampled)
    {
        IBernoulliCrossEntropyKernel kernel = Kernel(stream, probabilities, targets);
        Check.View(stream, sampled, nameof(sampled));
        Check.Key(stream, key);
        Check.Shape(sampled, probabilities.Rows, probabilities.Columns, nameof(sampled));
        Check.InPlaceOrApart(sampled, probabilities, nameof(sampled), nameof(probabilities));
        Check.InPlaceOrApart(sampled, targets, nameof(sampled), nameof(targets));
        kernel.Sample(probabilities, targets, key, offset, sampled);
    }

    /// <summary>Columns of <c>S = diag(√(p(1−p)))</c>: column c is <c>√(p_c(1−p_c))·e_c</c>.</summary>
    /// <param name="columns">[S·N, C]: S consecutive columns, each a block of N rows.</param>
    public static void HessianRoot(
        DeviceStream stream, MatrixView<float> probabilities, MatrixView<float> targets, int firstColumn, MatrixView<float> columns)
    {
        IBernoulliCrossEntropyKernel kernel = Kernel(stream, probabilities, targets);
        Check.View(stream, columns, nameof(columns));
        Check.Shape(columns, columns.Rows, probabilities.Columns, nameof(columns));
        int count = Check.Seeds(columns.Rows, probabilities.Rows, nameof(columns));
        ArgumentOutOfRangeException.ThrowIfNegative(firstColumn);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)firstColumn + count, probabilities.Columns, nameof(firstColumn));
        Check.NoOverlap(columns, probabilities, nameof(columns), nameof(probabilities));
        Check.NoOverlap(columns, targets, nameof(columns), nameof(targets));
        kernel.HessianRoot(probabilities, targets, firstColumn, columns);
    }

    private static IBernoulliCrossEntropyKernel Kernel(DeviceStream stream, MatrixView<float> first, MatrixView<float> targets)
    {
        IBernoulliCrossEntropyKernel kernel =
            Check.Kernel(stream, static table => table.BernoulliCrossEntropy, nameof(BernoulliCrossEntropy));
        Check.View(stream, first, "logits or probabilities");
        Check.View(stream, targets, nameof(targets));
        Check.Shape(targets, first.Rows, first.Columns, nameof(targets));
        return kernel;
    }
}

/// <summary>A device's implementation of <see cref="BernoulliCrossEntropy"/>.</summary>
internal interface IBernoulliCrossEntropyKernel
{
    void Forward(MatrixView<float> logits, MatrixView<float> targets, MatrixView<float> probabilities, VectorView<float> losses);

    void Gradient(MatrixView<float> probabilities, MatrixView<float> targets, float scale, MatrixView<float> gradient);

    void Sample(MatrixView<float> probabilities, MatrixView<float> targets, DeviceKey key, ulong offset, MatrixView<float> sampled);

    void HessianRoot(MatrixView<float> probabilities, MatrixView<float> targets, int firstColumn, MatrixView<float> columns);
}
