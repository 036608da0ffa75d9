namespace KFac.Reference;

/// <summary>Eigenvalues of a symmetric matrix in float64 by cyclic Jacobi rotations (Golub &amp; Van Loan, 8.5): no tridiagonal form, so independent of the kernels' route.</summary>
public static class SymmetricEigen
{
    private const int MaxSweeps = 60;

    /// <summary>Eigenvalues in ascending order; reads the lower triangle.</summary>
    public static double[] Values(double[] matrix, int n)
    {
        var a = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                a[(i * n) + j] = a[(j * n) + i] = matrix[(i * n) + j];
            }
        }

        double negligible = 1e-16 * a.Select(Math.Abs).DefaultIfEmpty().Max();
        for (int sweep = 0; sweep < MaxSweeps && Sweep(a, n, negligible); sweep++)
        {
        }

        var values = new double[n];
        for (int i = 0; i < n; i++)
        {
            values[i] = a[(i * n) + i];
        }

        Array.Sort(values);
        return values;
    }

    private static bool Sweep(double[] a, int n, double negligible)
    {
        bool rotated = false;
        for (int p = 0; p < n; p++)
        {
            for (int q = p + 1; q < n; q++)
            {
                double off = a[(p * n) + q];
                if (Math.Abs(off) > negligible)
                {
                    Rotate(a, n, p, q);
                    rotated = true;
                }
            }
        }

        return rotated;
    }

    private static void Rotate(double[] a, int n, int p, int q)
    {
        double theta = (a[(q * n) + q] - a[(p * n) + p]) / (2 * a[(p * n) + q]);
        double t = Math.CopySign(1, theta) / (Math.Abs(theta) + Math.Sqrt((theta * theta) + 1));
        double c = 1 / Math.Sqrt((t * t) + 1);
        double s = t * c;
        for (int k = 0; k < n; k++)
        {
            double x = a[(k * n) + p];
            double y = a[(k * n) + q];
            a[(k * n) + p] = (c * x) - (s * y);
            a[(k * n) + q] = (s * x) + (c * y);
        }

        for (int k = 0; k < n; k++)
        {
            double x = a[(p * n) + k];
            double y = a[(q * n) + k];
            a[(p * n) + k] = (c * x) - (s * y);
            a[(q * n) + k] = (s * x) + (c * y);
        }
    }
}
