using KFac.Testing;

namespace KFac.Kernels.Tests;

/// <summary>What every eigendecomposition has to satisfy, whichever way it was computed.</summary>
internal static class EigenContract
{
    /// <summary>The contract: ascending values, orthogonality and residual within 50·n·ε in the Frobenius norm, largest element positive.</summary>
    public static void Assert(float[] matrix, int n, (float[] Values, float[] Vectors) result, string what)
    {
        double[] q = TestData.ToDouble(result.Vectors);
        double[] w = TestData.ToDouble(result.Values);
        double bound = 50 * n * ErrorBound.Epsilon;
        Xunit.Assert.True(Orthogonality(q, n) <= bound, $"{what}: ‖QᵀQ − I‖ is {Orthogonality(q, n)}, bound {bound}.");
        // float.Epsilon is the spacing of the subnormal numbers: what rounding a value costs at least.
        double residualBound = (bound * w.Select(Math.Abs).DefaultIfEmpty().Max()) + (n * (double)float.Epsilon);
        Xunit.Assert.True(Residual(matrix, q, w, n) <= residualBound, $"{what}: residual is {Residual(matrix, q, w, n)}, bound {residualBound}.");
        for (int k = 1; k < n; k++)
        {
            Xunit.Assert.True(w[k - 1] <= w[k], $"{what}: values {k - 1} and {k} are out of order.");
        }

        for (int k = 0; k < n; k++)
        {
            double largest = Enumerable.Range(0, n).Select(i => q[(i * n) + k]).MaxBy(Math.Abs);
            Xunit.Assert.True(largest > 0, $"{what}: the largest element of vector {k} is {largest}.");
        }

        if (n > 0)
        {
            q[(n * n) / 2] += 2 * bound;
            Xunit.Assert.False(Orthogonality(q, n) <= bound && Residual(matrix, q, w, n) <= residualBound, $"{what}: a planted error went unnoticed.");
        }
    }

    private static double Orthogonality(double[] q, int n)
    {
        double sum = 0;
        var row = new double[n];
        for (int i = 0; i < n; i++)
        {
            Array.Clear(row);
            for (int k = 0; k < n; k++)
            {
                AddScaled(row, q.AsSpan(k * n, n), q[(k * n) + i]);
            }

            row[i] -= 1;
            sum += row.Sum(x => x * x);
        }

        return Math.Sqrt(sum);
    }

    private static double Residual(float[] matrix, double[] q, double[] w, int n)
    {
        double sum = 0;
        var row = new double[n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                row[j] = -q[(i * n) + j] * w[j];
            }

            for (int k = 0; k < n; k++)
            {
                AddScaled(row, q.AsSpan(k * n, n), matrix[(i * n) + k]);
            }

            sum += row.Sum(x => x * x);
        }

        return Math.Sqrt(sum);
    }

    private static void AddScaled(double[] y, ReadOnlySpan<double> x, double factor)
    {
        for (int i = 0; i < y.Length; i++)
        {
            y[i] += factor * x[i];
        }
    }
}
