using KFac.Reference;
using KFac.Testing;

namespace KFac.Cli.Tests;

/// <summary>Small symmetric matrices and their norms, in float64.</summary>
internal static class Matrices
{
    /// <summary><c>XᵀX/rows</c> of uniform X, rounded to float32: symmetric positive definite for rows ≥ n.</summary>
    public static float[] Covariance(int n, int rows, ulong seed)
    {
        double[] x = TestData.ToDouble(TestData.Uniform(rows * n, seed));
        double[] product = GemmReference.Multiply(true, false, 1.0 / rows, x, x, 0, [], n, n, rows);
        return Array.ConvertAll(product, static value => (float)value);
    }

    /// <summary>Largest column sum of magnitudes.</summary>
    public static double OneNorm(double[] matrix, int n) =>
        Enumerable.Range(0, n).Max(column => Enumerable.Range(0, n).Sum(row => Math.Abs(matrix[(row * n) + column])));

    public static double[] Fill(int length, double value) => [.. Enumerable.Repeat(value, length)];
}
