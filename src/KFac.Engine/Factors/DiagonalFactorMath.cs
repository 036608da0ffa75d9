using KFac.Kernels;

namespace KFac.Engine;

/// <summary>The vector that a layer keeps for the side of its vocabulary (<see cref="KroneckerLayer.HasDiagonalOutput"/>), from what one
/// hand-over brings.</summary>
/// <remarks>
/// It is the diagonal of what <see cref="FactorMath"/> makes: of B for the projection, whose rows are scores of the words, and
/// of A for the lookup, whose inputs are one-hot, so that under expand it holds token frequencies.
/// <para>A weight that is used both ways adds both contributions, with the roles of input and output swapped for one of them (Zhang et al. 2019,
/// A.1). So that they have the same scale, the side of the vocabulary is always summed over the loss's terms and the other side
/// averaged: of a lookup, token frequencies are multiplied by the number of the loss's terms T and <c>Σ g·gᵀ</c> is divided by
/// T. The product of the two is that of the table. For a mean-reduced loss the vocabulary's side is divided by T, as B is.</para>
/// </remarks>
public static class DiagonalFactorMath
{
    /// <summary><c>diagonal ← α·Σ (one-hot rows, reduced as the approximation wants)² + β·diagonal</c>.</summary>
    /// <param name="inputs">Tokens.</param>
    /// <param name="diagonal">[P_out].</param>
    /// <exception cref="ArgumentException">The counts do not describe the tokens, or shapes disagree.</exception>
    public static void AddTokens(
        DeviceStream stream, in LayerRows inputs, SharingApproximation approximation, float alpha, float beta, VectorView<float> diagonal)
    {
        inputs.Validate("tokens", width: null);
        if (approximation == SharingApproximation.Expand || inputs.Sharing == 1)
        {
            DiagonalGram.OneHotExpand(stream, inputs.Tokens, alpha, beta, diagonal);
        }
        else if (inputs.Segments is { } segments)
        {
            DiagonalGram.OneHotReduce(stream, inputs.Tokens, segments, SharingScale.InverseSquareRoot, alpha, beta, diagonal);
        }
        else
        {
            DiagonalGram.OneHotReduce(stream, inputs.Tokens, inputs.Sharing, SharingScale.Mean, alpha, beta, diagonal);
        }
    }

    /// <summary><c>diagonal ← scale²/divisor · Σ ĝ² + beta·diagonal</c> over all seeds.</summary>
    /// <param name="reduced">Where rows are reduced to: [S·M, P_out] where that is asked for.</param>
    internal static void AddOutputGradients(
        DeviceStream stream,
        in LayerRows gradients,
        SharingApproximation approximation,
        double divisor,
        float beta,
        RowStore reduced,
        VectorView<float> diagonal)
    {
        float alpha = (float)((double)gradients.Scale * gradients.Scale / divisor);
        MatrixView<float> rows = gradients.Rows;
        if (approximation == SharingApproximation.Reduce && gradients.Sharing != 1)
        {
            rows = Reduce(stream, gradients, reduced);
        }

        DiagonalGram.Expand(stream, rows, alpha, beta, diagonal);
    }

    private static MatrixView<float> Reduce(DeviceStream stream, in LayerRows gradients, RowStore reduced)
    {
        reduced.Clear();
        MatrixView<float> sums = reduced.Append(checked(gradients.Seeds * gradients.Examples));
        if (gradients.Segments is not { } segments)
        {
            SegmentReduce.Uniform(stream, gradients.Rows, gradients.Sharing, SharingScale.Sum, sums);
            return sums;
        }

        for (int seed = 0; seed < gradients.Seeds; seed++)
        {
            MatrixView<float> ragged = gradients.Rows.RowRange(seed * segments.Rows, segments.Rows);
            SegmentReduce.Ragged(
                stream, ragged, segments, SharingScale.InverseSquareRoot, sums.RowRange(seed * gradients.Examples, gradients.Examples));
        }

        return sums;
    }
}
