namespace KFac.Reference;

/// <summary>The diagonal of <c>α·X̃ᵀX̃ + β·C</c> in float64, X̃ being X with each example's rows reduced to one.</summary>
public static class DiagonalGramReference
{
    /// <summary>x is [offsets[^1], columns]; the diagonal is not read where β is 0.</summary>
    public static double[] Compute(
        double[] x, int columns, int[] offsets, ReferenceScale scale, double alpha, double beta, double[] diagonal)
    {
        double[] reduced = SegmentReduceReference.Reduce(x, columns, offsets, scale);
        var result = new double[columns];
        for (int j = 0; j < columns; j++)
        {
            double sum = 0;
            for (int n = 0; n + 1 < offsets.Length; n++)
            {
                sum += reduced[(n * columns) + j] * reduced[(n * columns) + j];
            }

            result[j] = (alpha * sum) + (beta == 0 ? 0 : beta * diagonal[j]);
        }

        return result;
    }

    /// <summary>One-hot rows as a matrix [ids, columns]; an id outside it makes a row of zeros.</summary>
    public static double[] OneHot(int[] ids, int columns)
    {
        var x = new double[ids.Length * columns];
        for (int row = 0; row < ids.Length; row++)
        {
            if (ids[row] >= 0 && ids[row] < columns)
            {
                x[(row * columns) + ids[row]] = 1;
            }
        }

        return x;
    }
}
