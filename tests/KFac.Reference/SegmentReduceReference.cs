namespace KFac.Reference;

/// <summary>How a sum over R rows is scaled.</summary>
public enum ReferenceScale
{
    Mean,
    Sum,
    InverseSquareRoot,
}

/// <summary>Sums over the rows of each example, and the adjoint, in float64.</summary>
public static class SegmentReduceReference
{
    /// <summary><c>y[n] = scale(R_n)·Σ x[offsets[n] .. offsets[n+1]]</c>; x is [offsets[^1], columns].</summary>
    public static double[] Reduce(double[] x, int columns, int[] offsets, ReferenceScale scale)
    {
        var y = new double[(offsets.Length - 1) * columns];
        for (int n = 0; n + 1 < offsets.Length; n++)
        {
            for (int row = offsets[n]; row < offsets[n + 1]; row++)
            {
                for (int j = 0; j < columns; j++)
                {
                    y[(n * columns) + j] += x[(row * columns) + j] * Factor(scale, offsets[n + 1] - offsets[n]);
                }
            }
        }

        return y;
    }

    /// <summary><c>x[row of n] = scale(R_n)·y[n]</c>.</summary>
    public static double[] Spread(double[] y, int columns, int[] offsets, ReferenceScale scale)
    {
        var x = new double[offsets[^1] * columns];
        for (int n = 0; n + 1 < offsets.Length; n++)
        {
            for (int row = offsets[n]; row < offsets[n + 1]; row++)
            {
                for (int j = 0; j < columns; j++)
                {
                    x[(row * columns) + j] = y[(n * columns) + j] * Factor(scale, offsets[n + 1] - offsets[n]);
                }
            }
        }

        return x;
    }

    /// <summary>The offsets of <paramref name="segments"/> examples with R rows each.</summary>
    public static int[] UniformOffsets(int segments, int sharing)
    {
        var offsets = new int[segments + 1];
        for (int n = 0; n <= segments; n++)
        {
            offsets[n] = n * sharing;
        }

        return offsets;
    }

    private static double Factor(ReferenceScale scale, int rows) => scale switch
    {
        ReferenceScale.Mean => 1.0 / rows,
        ReferenceScale.Sum => 1.0,
        _ => 1.0 / Math.Sqrt(rows),
    };
}
