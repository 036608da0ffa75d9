namespace KFac.Reference;

/// <summary>A sparse matrix, given by its entries, times dense rows in float64.</summary>
public static class SparseProductReference
{
    /// <summary><c>alpha·S·X + beta·Y</c> for a stack of blocks.</summary>
    public static double[] Run(
        double alpha,
        int rows,
        int columns,
        (int Row, int Column, double Value)[] entries,
        double[] x,
        int width,
        double beta,
        double[] y)
    {
        double[] result = Array.ConvertAll(y, value => beta == 0 ? 0 : beta * value);
        int blocks = y.Length / Math.Max(1, rows * width);
        for (int block = 0; block < blocks; block++)
        {
            foreach ((int row, int column, double value) in entries)
            {
                for (int j = 0; j < width; j++)
                {
                    result[(((block * rows) + row) * width) + j] += alpha * value * x[(((block * columns) + column) * width) + j];
                }
            }
        }

        return result;
    }
}
