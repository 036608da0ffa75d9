namespace KFac.Kernels;

/// <summary>Softmax cross-entropy by rows: losses, gradients, samples from the model, and the root of its Hessian.</summary>
/// <remarks>A label of −1 masks its row: loss, gradient and root are zero there. Labels outside −1 to C−1 are refused
/// where data enters (targets made of host labels), not here; one that gets through makes its loss and gradient NaN.</remarks>
public static class SoftmaxCrossEntropy
{
    /// <summary><c>p = softmax(z)</c>, <c>loss = log Σ eᶻ − z[label]</c>, shifted by the row's maximum; smoothed on request.</summary>
    /// <remarks>Error: <c>γ(C + 8 + 2·spread)</c> relative in p and, with <c>γ(3)·loss</c> more, absolute in the loss; spread is
    /// the row's largest less its smallest logit. With smoothing <c>γ(C + 4)·ε·mean|z − max|</c> more in the loss. NaN or +∞ in a row makes its p and loss NaN.</remarks>
    /// <param name="logits">[N, C].</param>
    /// <param name="labels">[N].</param>
    /// <param name="probabilities">[N, C].</param>
    /// <param name="losses">[N].</param>
    /// <param name="smoothing">ε from 0 to 1: the target is <c>q = (1 − ε)·e_label + ε/C</c> and the loss <c>log Σ eᶻ − Σ q·z</c>
    /// (Szegedy et al. 2016).</param>
    public static void Forward(
        DeviceStream stream,
        MatrixView<float> logits,
        VectorView<int> labels,
        MatrixView<float> probabilities,
        VectorView<float> losses,
        float smoothing = 0)
    {
        ISoftmaxCrossEntropyKernel kernel = Kernel(stream, logits, nameof(logits));
        Check.View(stream, labels, nameof(labels));
        Check.View(stream, probabilities, nameof(probabilities));
        Check.View(stream, losses, nameof(losses));
        Check.Length(labels, logits.Rows, nameof(labels));
        Check.Shape(probabilities, logits.Rows, logits.Columns, nameof(probabilities));
        Check.Length(losses, logits.Rows, nameof(losses));
        Check.InPlaceOrApart(probabilities, logits, nameof(probabilities), nameof(logits));
        Check.NoOverlap(losses, logits, nameof(losses), nameof(logits));
        Check.NoOverlap(losses, probabilities, nameof(losses), nameof(probabilities));
        CheckSmoothing(smoothing);
        kernel.Forward(logits, labels, probabilities, losses, smoothing);
    }

    /// <summary><c>gradient = scale·(p − q)</c> with q as in <see cref="Forward"/>, of every row's own loss.</summary>
    public static void Gradient(
        DeviceStream stream,
        MatrixView<float> probabilities,
        VectorView<int> labels,
        float scale,
        MatrixView<float> gradient,
        float smoothing = 0)
    {
        ISoftmaxCrossEntropyKernel kernel = Kernel(stream, probabilities, nameof(probabilities));
        Check.View(stream, labels, nameof(labels));
        Check.View(stream, gradient, nameof(gradient));
        Check.Length(labels, probabilities.Rows, nameof(labels));
        Check.Shape(gradient, probabilities.Rows, probabilities.Columns, nameof(gradient));
        Check.InPlaceOrApart(gradient, probabilities, nameof(gradient), nameof(probabilities));
        Check.Finite(scale);
        CheckSmoothing(smoothing);
        kernel.Gradient(probabilities, labels, scale, gradient, smoothing);
    }

    /// <summary>Draws a label per row from p: the first c with <c>u &lt; p₀ + … + p_c</c>, u from word 0 of Philox block <c>offset + row</c>.
    /// A row masked in <paramref name="labels"/> stays −1.</summary>
    /// <remarks>The sum is taken in float32 from class 0 on. Where rounding (or NaN) leaves all of it at or below u, the last
    /// class with p &gt; 0 is drawn.</remarks>
    public static void Sample(
        DeviceStream stream,
        MatrixView<float> probabilities,
        VectorView<int> labels,
        DeviceKey key,
        ulong offset,
        VectorView<int> sampled)
    {
        ISoftmaxCrossEntropyKernel kernel = Kernel(stream, probabilities, nameof(probabilities));
        Check.View(stream, labels, nameof(labels));
        Check.View(stream, sampled, nameof(sampled));
        Check.Key(stream, key);
        Check.Length(labels, probabilities.Rows, nameof(labels));
        Check.Length(sampled, probabilities.Rows, nameof(sampled));
        kernel.Sample(probabilities, labels, key, offset, sampled);
    }

    /// <summary>Columns of <c>S = diag(√p) − p·√pᵀ</c>, for which <c>S·Sᵀ</c> is the loss's Hessian: column c is <c>√p_c·(e_c − p)</c>.</summary>
    /// <param name="labels">[N]; only its masks (−1) matter.</param>
    /// <param name="firstColumn">The first of the columns wanted.</param>
    /// <param name="columns">[S·N, C]: S consecutive columns of S, each a block of N rows.</param>
    public static void HessianRoot(
        DeviceStream stream, MatrixView<float> probabilities, VectorView<int> labels, int firstColumn, MatrixView<float> columns)
    {
        ISoftmaxCrossEntropyKernel kernel = Kernel(stream, probabilities, nameof(probabilities));
        Check.View(stream, labels, nameof(labels));
        Check.View(stream, columns, nameof(columns));
        Check.Length(labels, probabilities.Rows, nameof(labels));
        Check.Shape(columns, columns.Rows, probabilities.Columns, nameof(columns));
        int count = Check.Seeds(columns.Rows, probabilities.Rows, nameof(columns));
        ArgumentOutOfRangeException.ThrowIfNegative(firstColumn);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)firstColumn + count, probabilities.Columns, nameof(firstColumn));
        Check.NoOverlap(columns, probabilities, nameof(columns), nameof(probabilities));
        kernel.HessianRoot(probabilities, labels, firstColumn, columns);
    }

    private static void CheckSmoothing(float smoothing)
    {
        if (!(smoothing >= 0 && smoothing <= 1))
        {
            throw new ArgumentException($"The label smoothing is {smoothing}; wanted 0 to 1.", nameof(smoothing));
        }
    }

    private static ISoftmaxCrossEntropyKernel Kernel(DeviceStream stream, MatrixView<float> first, string name)
    {
        ISoftmaxCrossEntropyKernel kernel =
            Check.Kernel(stream, static table => table.SoftmaxCrossEntropy, nameof(SoftmaxCrossEntropy));
        Check.View(stream, first, name);
        if (first.Rows > 0 && first.Columns == 0)
        {
            throw new ArgumentException($"{name} is {first}; wanted at least one class.", name);
        }

        return kernel;
    }
}

/// <summary>A device's implementation of <see cref="SoftmaxCrossEntropy"/>.</summary>
internal interface ISoftmaxCrossEntropyKernel
{
    void Forward(MatrixView<float> logits, VectorView<int> labels, MatrixView<float> probabilities, VectorView<float> losses, float smoothing);

    void Gradient(MatrixView<float> probabilities, VectorView<int> labels, float scale, MatrixView<float> gradient, float smoothing);

    void Sample(MatrixView<float> probabilities, VectorView<int> labels, DeviceKey key, ulong offset, VectorView<int> sampled);

    void HessianRoot(MatrixView<float> probabilities, VectorView<int> labels, int firstColumn, MatrixView<float> columns);
}
