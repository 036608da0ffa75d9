namespace KFac.Kernels;

/// <summary>Batch normalisation (Ioffe and Szegedy 2015): every column to mean 0 and variance 1 over a group of rows, then a gain and a bias per column.</summary>
/// <remarks>
/// Rows are cut into groups of <c>groupRows</c>, the last of which may have fewer: one group is plain batch normalisation, several are
/// ghost batches (Hoffer et al. 2017). <c>x̂ = (x − μ)/√(σ² + ε)</c> and <c>y = gain∘x̂ + bias</c>, with μ and σ² the mean and the variance
/// (over n, not n − 1) of the column in the row's group. Statistics are a matrix [2·groups, C]: the rows μ, then the rows
/// <c>1/√(σ² + ε)</c>. A NaN stays in its column and group.
/// </remarks>
public static class BatchNorm
{
    /// <summary>Number of groups.</summary>
    public static int Groups(int rows, int groupRows) => (int)(((long)rows + groupRows - 1) / groupRows);

    /// <summary>Mean and scale of every column and group.</summary>
    /// <remarks>Error of μ: <c>γ(70)·(|x₀| + mean|x − x₀|)</c> with x₀ the group's first row; of σ²: <c>γ(70)·mean(|x| + |x₀|)²</c>.</remarks>
    /// <param name="x">[N, C].</param>
    /// <param name="groupRows">Rows of a group, at least 1.</param>
    /// <param name="epsilon">ε, positive.</param>
    /// <param name="statistics">[2·groups, C].</param>
    public static void Statistics(DeviceStream stream, MatrixView<float> x, int groupRows, float epsilon, MatrixView<float> statistics)
    {
        IBatchNormKernel kernel = CheckGroups(stream, x, groupRows, statistics);
        CheckEpsilon(epsilon);
        Check.NoOverlap(statistics, x, nameof(statistics), nameof(x));
        kernel.Statistics(x, groupRows, epsilon, statistics);
    }

    /// <summary>The statistics that running averages are: of one group, whatever its rows.</summary>
    /// <param name="mean">[C].</param>
    /// <param name="variance">[C].</param>
    /// <param name="statistics">[2, C].</param>
    public static void FromRunning(
        DeviceStream stream, VectorView<float> mean, VectorView<float> variance, float epsilon, MatrixView<float> statistics)
    {
        IBatchNormKernel kernel = CheckRunning(stream, mean, variance, epsilon, statistics);
        Check.Shape(statistics, 2, mean.Length, nameof(statistics));
        kernel.FromRunning(mean, variance, epsilon, statistics);
    }

    /// <summary><c>running ← (1 − momentum)·running + momentum·batch</c>, the batch's values being means over its groups; variances over n − 1.</summary>
    /// <param name="statistics">[2·groups, C], with the ε given.</param>
    /// <param name="groupRows">Rows of a group.</param>
    /// <param name="momentum">From 0 to 1.</param>
    /// <param name="mean">[C].</param>
    /// <param name="variance">[C].</param>
    public static void UpdateRunning(
        DeviceStream stream,
        MatrixView<float> statistics,
        int groupRows,
        float epsilon,
        float momentum,
        VectorView<float> mean,
        VectorView<float> variance)
    {
        IBatchNormKernel kernel = CheckRunning(stream, mean, variance, epsilon, statistics);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(groupRows);
        if (statistics.Rows % 2 != 0 || statistics.Rows == 0)
        {
            throw new ArgumentException($"The statistics are {statistics}; wanted two rows a group.", nameof(statistics));
        }

        if (momentum is not (>= 0 and <= 1))
        {
            throw new ArgumentException($"The momentum is {momentum}; wanted 0 to 1.", nameof(momentum));
        }

        kernel.UpdateRunning(statistics, groupRows, epsilon, momentum, mean, variance);
    }

    /// <summary><c>y = gain∘(x − μ)·scale + bias</c>.</summary>
    /// <remarks>Error besides that of the statistics: <c>γ(4)·(|x| + |μ|)·scale·|gain| + γ(1)·|bias|</c>.</remarks>
    /// <param name="x">[N, C].</param>
    /// <param name="statistics">[2·groups, C].</param>
    /// <param name="gain">[C].</param>
    /// <param name="bias">[C].</param>
    /// <param name="y">[N, C]; may be x.</param>
    public static void Normalize(
        DeviceStream stream,
        MatrixView<float> x,
        int groupRows,
        MatrixView<float> statistics,
        VectorView<float> gain,
        VectorView<float> bias,
        MatrixView<float> y)
    {
        IBatchNormKernel kernel = CheckGroups(stream, x, groupRows, statistics);
        CheckVector(stream, gain, x, nameof(gain));
        CheckVector(stream, bias, x, nameof(bias));
        Check.View(stream, y, nameof(y));
        Check.Shape(y, x.Rows, x.Columns, nameof(y));
        Check.InPlaceOrApart(y, x, nameof(y), nameof(x));
        Check.NoOverlap(y, statistics, nameof(y), nameof(statistics));
        Check.NoOverlap(y, gain, nameof(y), nameof(gain));
        Check.NoOverlap(y, bias, nameof(y), nameof(bias));
        kernel.Normalize(x, groupRows, statistics, gain, bias, y);
    }

    /// <summary><c>∂x = gain·scale·(∂y − mean(∂y) − x̂·mean(∂y∘x̂))</c>, means over the group; one or more seeds stacked.</summary>
    /// <remarks>With <paramref name="constantStatistics"/>, as in evaluation, the means drop out. Error: <c>γ(80)·|gain|·scale·(|∂y| + mean|∂y| + |x̂|⁺·mean(|∂y|∘|x̂|⁺))</c>
    /// with <c>|x̂|⁺ = (|x| + |μ|)·scale</c>.</remarks>
    /// <param name="x">[N, C], the input of the forward pass.</param>
    /// <param name="outputGradient">[S·N, C].</param>
    /// <param name="inputGradient">[S·N, C]; may be <paramref name="outputGradient"/>.</param>
    public static void Backward(
        DeviceStream stream,
        MatrixView<float> x,
        int groupRows,
        MatrixView<float> statistics,
        VectorView<float> gain,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient,
        bool constantStatistics = false)
    {
        IBatchNormKernel kernel = CheckGroups(stream, x, groupRows, statistics);
        CheckVector(stream, gain, x, nameof(gain));
        Check.View(stream, outputGradient, nameof(outputGradient));
        Check.View(stream, inputGradient, nameof(inputGradient));
        Check.Shape(outputGradient, outputGradient.Rows, x.Columns, nameof(outputGradient));
        Check.Shape(inputGradient, outputGradient.Rows, x.Columns, nameof(inputGradient));
        Check.Seeds(outputGradient.Rows, x.Rows, nameof(outputGradient));
        Check.InPlaceOrApart(inputGradient, outputGradient, nameof(inputGradient), nameof(outputGradient));
        Check.NoOverlap(inputGradient, x, nameof(inputGradient), nameof(x));
        Check.NoOverlap(inputGradient, statistics, nameof(inputGradient), nameof(statistics));
        Check.NoOverlap(inputGradient, gain, nameof(inputGradient), nameof(gain));
        kernel.Backward(x, groupRows, statistics, gain, outputGradient, inputGradient, constantStatistics);
    }

    /// <summary><c>∂gain ← Σ_n ∂y∘x̂ + beta·∂gain</c> and <c>∂bias ← Σ_n ∂y + beta·∂bias</c>.</summary>
    /// <remarks>Error: <c>γ(80)</c> times the sum of the terms' magnitudes, <c>|x̂|⁺</c> in place of x̂.</remarks>
    /// <param name="x">[N, C], the input of the forward pass.</param>
    /// <param name="outputGradient">[N, C].</param>
    /// <param name="gainGradient">[C].</param>
    /// <param name="biasGradient">[C].</param>
    public static void ParameterGradients(
        DeviceStream stream,
        MatrixView<float> x,
        int groupRows,
        MatrixView<float> statistics,
        MatrixView<float> outputGradient,
        float beta,
        VectorView<float> gainGradient,
        VectorView<float> biasGradient)
    {
        IBatchNormKernel kernel = CheckGroups(stream, x, groupRows, statistics);
        Check.View(stream, outputGradient, nameof(outputGradient));
        Check.Shape(outputGradient, x.Rows, x.Columns, nameof(outputGradient));
        CheckVector(stream, gainGradient, x, nameof(gainGradient));
        CheckVector(stream, biasGradient, x, nameof(biasGradient));
        Check.NoOverlap(gainGradient, biasGradient, nameof(gainGradient), nameof(biasGradient));
        foreach (VectorView<float> output in (ReadOnlySpan<VectorView<float>>)[gainGradient, biasGradient])
        {
            Check.NoOverlap(output, x, "a parameter gradient", nameof(x));
            Check.NoOverlap(output, statistics, "a parameter gradient", nameof(statistics));
            Check.NoOverlap(output, outputGradient, "a parameter gradient", nameof(outputGradient));
        }

        Check.Finite(beta);
        kernel.ParameterGradients(x, groupRows, statistics, outputGradient, beta, gainGradient, biasGradient);
    }

    private static IBatchNormKernel CheckGroups(DeviceStream stream, MatrixView<float> x, int groupRows, MatrixView<float> statistics)
    {
        IBatchNormKernel kernel = Check.Kernel(stream, static table => table.BatchNorm, nameof(BatchNorm));
        Check.View(stream, x, nameof(x));
        Check.View(stream, statistics, nameof(statistics));
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(groupRows);
        Check.Shape(statistics, 2 * Groups(x.Rows, groupRows), x.Columns, nameof(statistics));
        return kernel;
    }

    private static IBatchNormKernel CheckRunning(
        DeviceStream stream, VectorView<float> mean, VectorView<float> variance, float epsilon, MatrixView<float> statistics)
    {
        IBatchNormKernel kernel = Check.Kernel(stream, static table => table.BatchNorm, nameof(BatchNorm));
        Check.View(stream, statistics, nameof(statistics));
        CheckVector(stream, mean, statistics, nameof(mean));
        CheckVector(stream, variance, statistics, nameof(variance));
        Check.NoOverlap(mean, variance, nameof(mean), nameof(variance));
        Check.NoOverlap(statistics, mean, nameof(statistics), nameof(mean));
        Check.NoOverlap(statistics, variance, nameof(statistics), nameof(variance));
        CheckEpsilon(epsilon);
        return kernel;
    }

    private static void CheckVector(DeviceStream stream, VectorView<float> vector, MatrixView<float> matrix, string name)
    {
        Check.View(stream, vector, name);
        Check.Length(vector, matrix.Columns, name);
    }

    private static void CheckEpsilon(float epsilon)
    {
        Check.Finite(epsilon);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(epsilon);
    }
}

/// <summary>A device's implementation of <see cref="BatchNorm"/>.</summary>
internal interface IBatchNormKernel
{
    void Statistics(MatrixView<float> x, int groupRows, float epsilon, MatrixView<float> statistics);

    void FromRunning(VectorView<float> mean, VectorView<float> variance, float epsilon, MatrixView<float> statistics);

    void UpdateRunning(
        MatrixView<float> statistics, int groupRows, float epsilon, float momentum, VectorView<float> mean, VectorView<float> variance);

    void Normalize(
        MatrixView<float> x, int groupRows, MatrixView<float> statistics, VectorView<float> gain, VectorView<float> bias, MatrixView<float> y);

    void Backward(
        MatrixView<float> x,
        int groupRows,
        MatrixView<float> statistics,
        VectorView<float> gain,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient,
        bool constantStatistics);

    void ParameterGradients(
        MatrixView<float> x,
        int groupRows,
        MatrixView<float> statistics,
        MatrixView<float> outputGradient,
        float beta,
        VectorView<float> gainGradient,
        VectorView<float> biasGradient);
}
