namespace KFac.Reference;

/// <summary>Cholesky factor and inverse in float64, straight from the equations.</summary>
public static class Cholesky
{
    /// <summary>L of <c>A + λI = L·Lᵀ</c>; reads the lower triangle.</summary>
    public static double[] Factor(double[] a, int n, double damping)
    {
        var l = new double[n * n];
        for (int j = 0; j < n; j++)
        {
            for (int i = j; i < n; i++)
            {
                double sum = a[(i * n) + j] + (i == j ? damping : 0);
                for (int k = 0; k < j; k++)
                {
                    sum -= l[(i * n) + k] * l[(j * n) + k];
                }

                l[(i * n) + j] = i == j ? Math.Sqrt(sum) : sum / l[(j * n) + j];
            }
        }

        return l;
    }

    /// <summary><c>L·Lᵀ</c>.</summary>
    public static double[] Product(double[] l, int n)
    {
        var product = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                double sum = 0;
                for (int k = 0; k <= j; k++)
                {
                    sum += l[(i * n) + k] * l[(j * n) + k];
                }

                product[(i * n) + j] = product[(j * n) + i] = sum;
            }
        }

        return product;
    }
}
