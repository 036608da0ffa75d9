namespace KFac.Nn;

/// <summary>Cholesky factor of a small precision matrix on the host, in float64.</summary>
internal static class PrecisionRoot
{
    private const double SymmetryTolerance = 1e-12;

    /// <summary>Lower triangular L with <c>L·Lᵀ</c> = <paramref name="precision"/>.</summary>
    /// <exception cref="ArgumentException">The matrix is not square, symmetric, finite or positive definite.</exception>
    public static double[,] Of(double[,] precision)
    {
        Validate(precision);
        int n = precision.GetLength(0);
        var lower = new double[n, n];
        for (int j = 0; j < n; j++)
        {
            double pivot = precision[j, j] - RowDot(lower, j, j);
            if (!(pivot > 0))
            {
                throw new ArgumentException($"The precision is not positive definite: pivot {j} is {pivot}.", nameof(precision));
            }

            lower[j, j] = Math.Sqrt(pivot);
            for (int i = j + 1; i < n; i++)
            {
                lower[i, j] = (precision[i, j] - RowDot(lower, i, j)) / lower[j, j];
            }
        }

        return lower;
    }

    private static double RowDot(double[,] lower, int i, int j)
    {
        double sum = 0;
        for (int k = 0; k < j; k++)
        {
            sum += lower[i, k] * lower[j, k];
        }

        return sum;
    }

    private static void Validate(double[,] precision)
    {
        int n = precision.GetLength(0);
        if (n == 0 || precision.GetLength(1) != n)
        {
            throw new ArgumentException($"The precision is {n}×{precision.GetLength(1)}; wanted a square matrix.", nameof(precision));
        }

        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                (double value, double mirror) = (precision[i, j], precision[j, i]);
                if (!double.IsFinite(value))
                {
                    throw new ArgumentException($"Element ({i}, {j}) of the precision is {value}; wanted a finite number.", nameof(precision));
                }

                if (Math.Abs(value - mirror) > SymmetryTolerance * Math.Max(Math.Abs(value), Math.Abs(mirror)))
                {
                    throw new ArgumentException(
                        $"Elements ({i}, {j}) and ({j}, {i}) of the precision are {value} and {mirror}; wanted a symmetric matrix.",
                        nameof(precision));
                }
            }
        }
    }
}
