using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Kronecker factors of one layer from its rows, <c>GGN(W) ≈ A ⊗ B</c> for the loss summed over its terms.</summary>
/// <remarks>
/// <list type="table">
/// <item><term>no sharing</term><description><c>A = 1/M Σ_n a·aᵀ</c>, <c>B = Σ_n g·gᵀ</c> (equation 7)</description></item>
/// <item><term>expand</term><description><c>A = 1/(M·R) Σ_{n,r} a·aᵀ</c>, <c>B = Σ_{n,r} g·gᵀ</c> (equation 28)</description></item>
/// <item><term>reduce</term><description><c>A = 1/M Σ_n ā·āᵀ</c> with <c>ā = 1/R Σ_r a</c>, <c>B = Σ_n ĝ·ĝᵀ</c> with
/// <c>ĝ = Σ_r g</c> (equation 40)</description></item>
/// <item><term>ragged expand</term><description><c>A = 1/R_M Σ a·aᵀ</c>, <c>B = Σ g·gᵀ</c></description></item>
/// <item><term>ragged reduce</term><description><c>A = 1/M Σ_n ā·āᵀ</c> with <c>ā = R_n^{-1/2} Σ_r a</c>,
/// <c>B = Σ_n ĝ·ĝᵀ</c> with <c>ĝ = R_n^{-1/2} Σ_r g</c> (equation 55)</description></item>
/// </list>
/// A bias extends a by a constant 1, so A is [P_in + 1, P_in + 1]. An example without rows contributes zero and counts
/// in M. Error: that of <see cref="Gram"/>.
/// </remarks>
public static class FactorMath
{
    /// <summary>A of one hand-over.</summary>
    /// <param name="inputs">Rows [M·R, P_in] or [R_M, P_in], one seed, scale 1; or the images of a convolution.</param>
    /// <param name="factor">[P_in, P_in], or [P_in + 1, P_in + 1] with a bias; receives A, symmetric to the bit.</param>
    /// <exception cref="ArgumentException">The counts do not describe the rows, or shapes disagree.</exception>
    public static void InputFactor(
        DeviceStream stream, in LayerRows inputs, SharingApproximation approximation, bool hasBias, MatrixView<float> factor)
    {
        inputs.Validate("inputs", inputs.Width);
        AddInputs(stream, inputs, approximation, hasBias, InputCount(inputs, approximation), weight: 1, beta: 0, factor);
    }

    /// <summary>B of one hand-over: summed over the loss's terms and the seeds, divided by <paramref name="samples"/>.</summary>
    /// <param name="gradients">Rows [S·M·R, P_out] or [S·R_M, P_out]; multiplied by their scale.</param>
    /// <param name="samples">What the sum over seeds is divided by: the number of Monte-Carlo samples, 1 for other kinds.</param>
    /// <param name="factor">[P_out, P_out], receives B, symmetric to the bit.</param>
    /// <exception cref="ArgumentException">The counts do not describe the rows, or shapes disagree.</exception>
    public static void OutputFactor(
        DeviceStream stream, in LayerRows gradients, SharingApproximation approximation, MatrixView<float> factor, int samples = 1)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(samples);
        if (gradients.Convolution is not null)
        {
            throw new ArgumentException("The output gradients are given as images that a convolution reads; wanted rows, one for each output position.");
        }

        gradients.Validate("output gradients", gradients.Rows.Columns);
        AddOutputGradients(stream, gradients, approximation, divisor: samples, beta: 0, factor);
    }

    /// <summary>What the sum of a hand-over's outer products is divided by in A: rows under expand, examples under reduce.</summary>
    internal static long InputCount(in LayerRows inputs, SharingApproximation approximation) =>
        approximation == SharingApproximation.Expand ? inputs.RowsPerSeed : inputs.Examples;

    /// <summary><c>factor ← weight/count · Σ ã·ãᵀ + beta·factor</c>; a count of 0 (only empty examples) adds nothing.</summary>
    internal static void AddInputs(
        DeviceStream stream,
        in LayerRows inputs,
        SharingApproximation approximation,
        bool hasBias,
        long count,
        double weight,
        double beta,
        MatrixView<float> factor)
    {
        float alpha = count == 0 ? 0 : (float)(weight / count);
        if (inputs.Convolution is { } convolution)
        {
            ConvolutionFactorMath.AddInputs(
                stream, inputs.Rows, convolution, ConvolutionLayout.ChannelsLast, approximation, hasBias, alpha, (float)beta, factor);
        }
        else if (approximation == SharingApproximation.Expand || inputs.Sharing == 1)
        {
            Gram.Expand(stream, inputs.Rows, alpha, (float)beta, factor, hasBias);
        }
        else if (inputs.Segments is { } segments)
        {
            Gram.Reduce(stream, inputs.Rows, segments, SharingScale.InverseSquareRoot, alpha, (float)beta, factor, hasBias);
        }
        else
        {
            Gram.Reduce(stream, inputs.Rows, inputs.Sharing, SharingScale.Mean, alpha, (float)beta, factor, hasBias);
        }
    }

    /// <summary><c>factor ← scale²/divisor · Σ ĝ·ĝᵀ + beta·factor</c> over all seeds.</summary>
    internal static void AddOutputGradients(
        DeviceStream stream,
        in LayerRows gradients,
        SharingApproximation approximation,
        double divisor,
        float beta,
        MatrixView<float> factor)
    {
        float alpha = (float)((double)gradients.Scale * gradients.Scale / divisor);
        if (approximation == SharingApproximation.Expand || gradients.Sharing == 1)
        {
            Gram.Expand(stream, gradients.Rows, alpha, beta, factor);
        }
        else if (gradients.Segments is { } segments)
        {
            for (int seed = 0; seed < gradients.Seeds; seed++)
            {
                MatrixView<float> rows = gradients.Rows.RowRange(seed * segments.Rows, segments.Rows);
                Gram.Reduce(stream, rows, segments, SharingScale.InverseSquareRoot, alpha, seed == 0 ? beta : 1, factor);
            }
        }
        else
        {
            Gram.Reduce(stream, gradients.Rows, gradients.Sharing, SharingScale.Sum, alpha, beta, factor);
        }
    }
}
