namespace KFac.Kernels;

/// <summary>Layer normalisation by rows (Ba et al. 2016): every row to mean 0 and variance 1, then a gain and a bias per column.</summary>
/// <remarks><c>x̂ = (x − μ)/√(σ² + ε)</c>, <c>y = gain∘x̂ + bias</c> with μ and σ² the mean and the variance (over P, not P − 1) of
/// the row, both summed in float64. NaN or infinity in a row makes that row NaN and no other.</remarks>
public static class LayerNorm
{
    /// <summary>Columns of the statistics that the forward pass keeps: μ and <c>1/√(σ² + ε)</c>.</summary>
    public const int StatisticsColumns = 2;

    /// <summary>Normalises rows.</summary>
    /// <remarks>Error in y: <c>γ(6)·(|x| + |μ|)·|gain|/√(σ² + ε) + γ(1)·|bias|</c>.</remarks>
    /// <param name="x">[N, P].</param>
    /// <param name="gain">[P].</param>
    /// <param name="bias">[P].</param>
    /// <param name="epsilon">ε, positive.</param>
    /// <param name="y">[N, P]; may be x.</param>
    /// <param name="statistics">[N, 2]: μ and <c>1/√(σ² + ε)</c> of every row, which the backward pass takes.</param>
    public static void Forward(
        DeviceStream stream,
        MatrixView<float> x,
        VectorView<float> gain,
        VectorView<float> bias,
        float epsilon,
        MatrixView<float> y,
        MatrixView<float> statistics)
    {
        ILayerNormKernel kernel = Kernel(stream, x);
        Check.View(stream, gain, nameof(gain));
        Check.View(stream, bias, nameof(bias));
        Check.View(stream, y, nameof(y));
        Check.View(stream, statistics, nameof(statistics));
        Check.Length(gain, x.Columns, nameof(gain));
        Check.Length(bias, x.Columns, nameof(bias));
        Check.Shape(y, x.Rows, x.Columns, nameof(y));
        Check.Shape(statistics, x.Rows, StatisticsColumns, nameof(statistics));
        Check.InPlaceOrApart(y, x, nameof(y), nameof(x));
        Check.NoOverlap(y, gain, nameof(y), nameof(gain));
        Check.NoOverlap(y, bias, nameof(y), nameof(bias));
        CheckApart(statistics, x, nameof(x));
        CheckApart(statistics, y, nameof(y));
        Check.NoOverlap(statistics, gain, nameof(statistics), nameof(gain));
        Check.NoOverlap(statistics, bias, nameof(statistics), nameof(bias));
        Check.Finite(epsilon);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(epsilon);
        kernel.Forward(x, gain, bias, epsilon, y, statistics);
    }

    /// <summary><c>∂x = (h − mean(h) − x̂·mean(h∘x̂))/√(σ² + ε)</c> with <c>h = gain∘∂y</c>, for one or more seeds stacked on top of each other.</summary>
    /// <remarks>Error: <c>γ(10)·(|h| + mean|h| + |x̂|⁺·mean(|h|∘|x̂|⁺))/√(σ² + ε)</c> with <c>|x̂|⁺ = (|x| + |μ|)/√(σ² + ε)</c>.</remarks>
    /// <param name="x">[N, P], the input of the forward pass.</param>
    /// <param name="statistics">[N, 2], as the forward pass left them.</param>
    /// <param name="gain">[P].</param>
    /// <param name="outputGradient">[S·N, P]: S seeds, each of N rows.</param>
    /// <param name="inputGradient">[S·N, P]; may be <paramref name="outputGradient"/>.</param>
    public static void Backward(
        DeviceStream stream,
        MatrixView<float> x,
        MatrixView<float> statistics,
        VectorView<float> gain,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient)
    {
        ILayerNormKernel kernel = Kernel(stream, x);
        Check.View(stream, statistics, nameof(statistics));
        Check.View(stream, gain, nameof(gain));
        Check.View(stream, outputGradient, nameof(outputGradient));
        Check.View(stream, inputGradient, nameof(inputGradient));
        Check.Shape(statistics, x.Rows, StatisticsColumns, nameof(statistics));
        Check.Length(gain, x.Columns, nameof(gain));
        Check.Shape(outputGradient, outputGradient.Rows, x.Columns, nameof(outputGradient));
        Check.Shape(inputGradient, outputGradient.Rows, x.Columns, nameof(inputGradient));
        Check.Seeds(outputGradient.Rows, x.Rows, nameof(outputGradient));
        Check.InPlaceOrApart(inputGradient, outputGradient, nameof(inputGradient), nameof(outputGradient));
        Check.NoOverlap(inputGradient, x, nameof(inputGradient), nameof(x));
        Check.NoOverlap(inputGradient, statistics, nameof(inputGradient), nameof(statistics));
        Check.NoOverlap(inputGradient, gain, nameof(inputGradient), nameof(gain));
        kernel.Backward(x, statistics, gain, outputGradient, inputGradient);
    }

    /// <summary><c>∂gain ← Σ_n ∂y∘x̂ + beta·∂gain</c> and <c>∂bias ← Σ_n ∂y + beta·∂bias</c>.</summary>
    /// <remarks>Error: <c>γ(N + 6)</c> times the sum of the terms' magnitudes, <c>|x̂|⁺</c> in place of x̂.</remarks>
    /// <param name="x">[N, P], the input of the forward pass.</param>
    /// <param name="statistics">[N, 2], as the forward pass left them.</param>
    /// <param name="outputGradient">[N, P].</param>
    /// <param name="beta">0 to overwrite, whatever was there.</param>
    /// <param name="gainGradient">[P].</param>
    /// <param name="biasGradient">[P].</param>
    public static void ParameterGradients(
        DeviceStream stream,
        MatrixView<float> x,
        MatrixView<float> statistics,
        MatrixView<float> outputGradient,
        float beta,
        VectorView<float> gainGradient,
        VectorView<float> biasGradient)
    {
        ILayerNormKernel kernel = Kernel(stream, x);
        Check.View(stream, statistics, nameof(statistics));
        Check.View(stream, outputGradient, nameof(outputGradient));
        Check.View(stream, gainGradient, nameof(gainGradient));
        Check.View(stream, biasGradient, nameof(biasGradient));
        Check.Shape(statistics, x.Rows, StatisticsColumns, nameof(statistics));
        Check.Shape(outputGradient, x.Rows, x.Columns, nameof(outputGradient));
        Check.Length(gainGradient, x.Columns, nameof(gainGradient));
        Check.Length(biasGradient, x.Columns, nameof(biasGradient));
        Check.NoOverlap(gainGradient, biasGradient, nameof(gainGradient), nameof(biasGradient));
        foreach (VectorView<float> output in (ReadOnlySpan<VectorView<float>>)[gainGradient, biasGradient])
        {
            Check.NoOverlap(output, x, "a parameter gradient", nameof(x));
            Check.NoOverlap(output, statistics, "a parameter gradient", nameof(statistics));
            Check.NoOverlap(output, outputGradient, "a parameter gradient", nameof(outputGradient));
        }

        Check.Finite(beta);
        kernel.ParameterGradients(x, statistics, outputGradient, beta, gainGradient, biasGradient);
    }

    private static void CheckApart(MatrixView<float> statistics, MatrixView<float> other, string name) =>
        Check.NoOverlap(statistics, other, nameof(statistics), name);

    private static ILayerNormKernel Kernel(DeviceStream stream, MatrixView<float> x)
    {
        ILayerNormKernel kernel = Check.Kernel(stream, static table => table.LayerNorm, nameof(LayerNorm));
        Check.View(stream, x, nameof(x));
        if (x.Rows > 0 && x.Columns == 0)
        {
            throw new ArgumentException($"x is {x}; wanted at least one column.", nameof(x));
        }

        return kernel;
    }
}

/// <summary>A device's implementation of <see cref="LayerNorm"/>.</summary>
internal interface ILayerNormKernel
{
    void Forward(
        MatrixView<float> x, VectorView<float> gain, VectorView<float> bias, float epsilon, MatrixView<float> y, MatrixView<float> statistics);

    void Backward(
        MatrixView<float> x,
        MatrixView<float> statistics,
        VectorView<float> gain,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient);

    void ParameterGradients(
        MatrixView<float> x,
        MatrixView<float> statistics,
        MatrixView<float> outputGradient,
        float beta,
        VectorView<float> gainGradient,
        VectorView<float> biasGradient);
}
