namespace KFac.Reference;

/// <summary><c>α·X̃ᵀX̃ + β·C</c> in float64, X̃ being X with each example's rows reduced to one and a column of ones appended before.</summary>
public static class GramReference
{
    /// <summary>The Gram matrix; x is [offsets[^1], columns]. C is not read where β is 0.</summary>
    public static double[] Compute(
        double[] x, int columns, int[] offsets, ReferenceScale scale, bool appendOnes, double alpha, double beta, double[] c)
    {
        int width = columns + (appendOnes ? 1 : 0);
        double[] extended = appendOnes ? AppendOnes(x, columns, offsets[^1]) : x;
        double[] reduced = SegmentReduceReference.Reduce(extended, width, offsets, scale);
        return GemmReference.Multiply(true, false, alpha, reduced, reduced, beta, c, width, width, offsets.Length - 1);
    }

    /// <summary>The same sum over absolute values: what rounding errors are relative to.</summary>
    public static double[] Magnitude(
        double[] x, int columns, int[] offsets, ReferenceScale scale, bool appendOnes, double alpha, double beta, double[] c) =>
        Compute(Absolute(x), columns, offsets, scale, appendOnes, Math.Abs(alpha), Math.Abs(beta), Absolute(c));

    private static double[] AppendOnes(double[] x, int columns, int rows)
    {
        var extended = new double[rows * (columns + 1)];
        for (int row = 0; row < rows; row++)
        {
            Array.Copy(x, row * columns, extended, row * (columns + 1), columns);
            extended[(row * (columns + 1)) + columns] = 1;
        }

        return extended;
    }

    private static double[] Absolute(double[] values) => Array.ConvertAll(values, Math.Abs);
}
