namespace KFac.Reference;

/// <summary>Weight normalisation by rows in float64.</summary>
public static class WeightNormReference
{
    /// <summary><c>W[r] = g[r]·v[r]/‖v[r]‖</c>; without a gain g is 1.</summary>
    public static double[] Forward(double[] v, double[]? gain, int columns)
    {
        var weight = new double[v.Length];
        for (int i = 0; i < v.Length; i++)
        {
            weight[i] = (gain?[i / columns] ?? 1) * v[i] / Norm(v, i / columns, columns);
        }

        return weight;
    }

    /// <summary>∂v through the Jacobian <c>∂W[r, j]/∂v[r, k] = g[r]·(δ_jk/‖v‖ − v_j·v_k/‖v‖³)</c>, and <c>∂g[r] = Σ_j ∂W[r, j]·v_j/‖v‖</c>.</summary>
    public static (double[] Directions, double[] Gains) Backward(double[] v, double[]? gain, double[] weightGradient, int columns)
    {
        var directions = new double[v.Length];
        var gains = new double[v.Length / columns];
        for (int i = 0; i < v.Length; i++)
        {
            int row = i / columns;
            double norm = Norm(v, row, columns);
            gains[row] += weightGradient[i] * v[i] / norm;
            double sum = weightGradient[i] / norm;
            for (int j = row * columns; j < (row + 1) * columns; j++)
            {
                sum -= weightGradient[j] * v[j] * v[i] / (norm * norm * norm);
            }

            directions[i] = (gain?[row] ?? 1) * sum;
        }

        return (directions, gains);
    }

    private static double Norm(double[] v, int row, int columns)
    {
        double sum = 0;
        for (int j = row * columns; j < (row + 1) * columns; j++)
        {
            sum += v[j] * v[j];
        }

        return Math.Sqrt(sum);
    }
}
