namespace KFac.Reference;

/// <summary>The factors A and B in float64, outer product by outer product, as the table of the numerical conventions states them.</summary>
/// <param name="Offsets">Example n has rows Offsets[n] to Offsets[n + 1] of each seed.</param>
/// <param name="IsRagged">Whether R differs per example, which reduces by 1/√R_n.</param>
/// <param name="Reduces">Reduce, or expand.</param>
public sealed record KroneckerFactors(int[] Offsets, bool IsRagged, bool Reduces)
{
    private int Examples => Offsets.Length - 1;

    private int Rows => Offsets[^1];

    /// <summary>A = 1/M Σ ā·āᵀ or 1/R_M Σ a·aᵀ; with a bias a is extended by a constant 1.</summary>
    public double[] Input(double[] x, int width, bool hasBias)
    {
        int extended = width + (hasBias ? 1 : 0);
        int count = Reduces ? Examples : Rows;
        var factor = new double[extended * extended];
        AddOuterProducts(
            row => Enumerable.Range(0, extended).Select(j => j < width ? x[(row * width) + j] : 1).ToArray(),
            size => IsRagged ? 1 / Math.Sqrt(size) : 1.0 / size,
            1.0 / Math.Max(count, 1),
            factor);
        return factor;
    }

    /// <summary>B = scale²/samples · Σ ĝ·ĝᵀ over the examples (or rows) of all seeds.</summary>
    public double[] Output(double[] g, int width, int seeds, double scale, int samples)
    {
        var factor = new double[width * width];
        for (int seed = 0; seed < seeds; seed++)
        {
            int first = seed * Rows;
            AddOuterProducts(
                row => g.AsSpan((first + row) * width, width).ToArray(),
                size => IsRagged ? 1 / Math.Sqrt(size) : 1,
                scale * scale / samples,
                factor);
        }

        return factor;
    }

    private void AddOuterProducts(Func<int, double[]> rowAt, Func<int, double> reduction, double weight, double[] factor)
    {
        for (int n = 0; n < Examples; n++)
        {
            int size = Offsets[n + 1] - Offsets[n];
            double[][] rows = [.. Enumerable.Range(Offsets[n], size).Select(rowAt)];
            if (Reduces && size > 0)
            {
                double scale = reduction(size);
                rows = [[.. Enumerable.Range(0, rows[0].Length).Select(j => scale * rows.Sum(row => row[j]))]];
            }

            foreach (double[] row in rows)
            {
                AddOuterProduct(row, weight, factor);
            }
        }
    }

    private static void AddOuterProduct(double[] row, double weight, double[] factor)
    {
        for (int i = 0; i < row.Length; i++)
        {
            for (int j = 0; j < row.Length; j++)
            {
                factor[(i * row.Length) + j] += weight * row[i] * row[j];
            }
        }
    }
}
