namespace KFac.Reference;

/// <summary>Dot products of corresponding rows.</summary>
public static class RowDotReference
{
    /// <summary><c>α·Σ_j x[i, j]·y[i, j]</c> for every row i.</summary>
    public static double[] Run(double[] x, double[] y, int rows, int columns, double alpha)
    {
        var result = new double[rows];
        for (int i = 0; i < x.Length; i++)
        {
            result[i / columns] += alpha * x[i] * y[i];
        }

        return result;
    }
}
