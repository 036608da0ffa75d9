namespace KFac.Engine;

/// <summary>When it is cheaper to precondition the N rows of a gradient, <c>(B⁻¹Gᵀ)(X A⁻¹)</c>, than their product.</summary>
/// <remarks>
/// Multiply-adds of a layer of P_out×P_in: the matrix costs <c>P_out·P_in·(P_out + P_in)</c>, rows cost
/// <c>N·(P_out² + P_in² + P_out·P_in)</c>. In eigenbases both save or need the way back besides, which leaves the
/// comparison as it is. Without B: <c>P_out·P_in²</c> against <c>N·(P_in² + P_out·P_in)</c>.
/// </remarks>
internal static class RowCost
{
    /// <summary>Time of a multiply-add on rows over one on the matrix: products of fewer rows reuse less of what they load.
    /// Measured at width 1000: 348 GF/s on the matrix, 316 to 342 on 100 to 600 rows; 600 rows took 0.94 of its time.</summary>
    private const double RelativeTime = 1.1;

    /// <summary>The most rows for which they cost less; none where B is a diagonal, which divides the rows of the matrix.</summary>
    public static int MostRows(DampingStyle style, KroneckerLayer layer)
    {
        if (layer.HasDiagonalOutput)
        {
            return 0;
        }

        double inputs = layer.FactorInputWidth;
        double outputs = layer.OutputWidth;
        (double matrix, double row) = style == DampingStyle.InputOnly
            ? (outputs * inputs * inputs, (inputs * inputs) + (outputs * inputs))
            : (outputs * inputs * (outputs + inputs), (outputs * outputs) + (inputs * inputs) + (outputs * inputs));
        return (int)Math.Min(matrix / (RelativeTime * row), int.MaxValue);
    }
}
