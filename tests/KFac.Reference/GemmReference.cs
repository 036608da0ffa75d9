namespace KFac.Reference;

/// <summary><c>α·op(A)·op(B) + β·C</c> in float64.</summary>
public static class GemmReference
{
    /// <summary>The product of row-major matrices; op(A) is m×k, op(B) is k×n. C is not read where β is 0.</summary>
    public static double[] Multiply(
        bool transposeA, bool transposeB, double alpha, double[] a, double[] b, double beta, double[] c, int m, int n, int k)
    {
        var result = new double[m * n];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                double sum = 0;
                for (int p = 0; p < k; p++)
                {
                    sum += a[transposeA ? (p * m) + i : (i * k) + p] * b[transposeB ? (j * k) + p : (p * n) + j];
                }

                result[(i * n) + j] = (alpha * sum) + (beta == 0 ? 0 : beta * c[(i * n) + j]);
            }
        }

        return result;
    }

    /// <summary>The same sum over absolute values: what rounding errors are relative to.</summary>
    public static double[] Magnitude(
        bool transposeA, bool transposeB, double alpha, double[] a, double[] b, double beta, double[] c, int m, int n, int k) =>
        Multiply(transposeA, transposeB, Math.Abs(alpha), Absolute(a), Absolute(b), Math.Abs(beta), Absolute(c), m, n, k);

    private static double[] Absolute(double[] values) => Array.ConvertAll(values, Math.Abs);
}
