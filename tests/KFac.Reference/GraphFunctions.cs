namespace KFac.Reference;

/// <summary>Layers on graphs in float64, straight from their equations.</summary>
public static class GraphFunctions
{
    /// <summary>Ĉ = D^{-1/2}(C + I)D^{-1/2} as a dense matrix; edges count in both directions and once.</summary>
    public static double[,] NormalizedAdjacency(int nodes, IReadOnlyList<(int Source, int Target)> edges)
    {
        var c = new double[nodes, nodes];
        for (int i = 0; i < nodes; i++)
        {
            c[i, i] = 1;
        }

        foreach ((int source, int target) in edges)
        {
            c[source, target] = c[target, source] = 1;
        }

        var normal = new double[nodes, nodes];
        for (int i = 0; i < nodes; i++)
        {
            for (int j = 0; j < nodes; j++)
            {
                normal[i, j] = c[i, j] / Math.Sqrt(RowSum(c, i) * RowSum(c, j));
            }
        }

        return normal;
    }

    /// <summary>S·X with X [columns of S, width].</summary>
    public static double[] Multiply(double[,] s, double[] x, int width)
    {
        var y = new double[s.GetLength(0) * width];
        for (int i = 0; i < s.GetLength(0); i++)
        {
            for (int k = 0; k < s.GetLength(1); k++)
            {
                for (int j = 0; j < width; j++)
                {
                    y[(i * width) + j] += s[i, k] * x[(k * width) + j];
                }
            }
        }

        return y;
    }

    private static double RowSum(double[,] matrix, int row)
    {
        double sum = 0;
        for (int j = 0; j < matrix.GetLength(1); j++)
        {
            sum += matrix[row, j];
        }

        return sum;
    }
}
