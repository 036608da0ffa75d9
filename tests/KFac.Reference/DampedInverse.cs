namespace KFac.Reference;

/// <summary><c>(A + λI)⁻¹</c> in float64 by Gauss–Jordan elimination with row pivoting: no Cholesky, so independent of the kernels' route.</summary>
public static class DampedInverse
{
    /// <summary>Inverts; reads the lower triangle of A.</summary>
    public static double[] Run(double[] a, int n, double damping)
    {
        var work = new double[n, 2 * n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                work[i, j] = i >= j ? a[(i * n) + j] : a[(j * n) + i];
            }

            work[i, i] += damping;
            work[i, n + i] = 1;
        }

        for (int k = 0; k < n; k++)
        {
            Eliminate(work, n, k);
        }

        var inverse = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                inverse[(i * n) + j] = work[i, n + j];
            }
        }

        return inverse;
    }

    private static void Eliminate(double[,] work, int n, int k)
    {
        int pivot = k;
        for (int i = k + 1; i < n; i++)
        {
            pivot = Math.Abs(work[i, k]) > Math.Abs(work[pivot, k]) ? i : pivot;
        }

        double reciprocal = 1 / work[pivot, k];
        for (int j = 0; j < 2 * n; j++)
        {
            (work[k, j], work[pivot, j]) = (work[pivot, j], work[k, j]);
            work[k, j] *= reciprocal;
        }

        for (int i = 0; i < n; i++)
        {
            double factor = work[i, k];
            if (i == k || factor == 0)
            {
                continue;
            }

            for (int j = 0; j < 2 * n; j++)
            {
                work[i, j] -= factor * work[k, j];
            }
        }
    }
}
