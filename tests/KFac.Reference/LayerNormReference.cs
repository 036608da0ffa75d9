namespace KFac.Reference;

/// <summary>Layer normalisation and its derivatives in float64, from the equations.</summary>
public static class LayerNormReference
{
    /// <summary>The mean of a row and <c>1/√(σ² + ε)</c>.</summary>
    public static (double Mean, double Scale) Statistics(ReadOnlySpan<double> x, double epsilon)
    {
        double mean = 0;
        foreach (double value in x)
        {
            mean += value / x.Length;
        }

        double variance = 0;
        foreach (double value in x)
        {
            variance += (value - mean) * (value - mean) / x.Length;
        }

        return (mean, 1 / Math.Sqrt(variance + epsilon));
    }

    /// <summary><c>x̂ = (x − μ)/√(σ² + ε)</c>, row by row.</summary>
    public static double[] Normal(double[] x, int columns, double epsilon)
    {
        var normal = new double[x.Length];
        for (int row = 0; row < x.Length; row += columns)
        {
            (double mean, double scale) = Statistics(x.AsSpan(row, columns), epsilon);
            for (int j = 0; j < columns; j++)
            {
                normal[row + j] = (x[row + j] - mean) * scale;
            }
        }

        return normal;
    }

    /// <summary><c>y = gain∘x̂ + bias</c>.</summary>
    public static double[] Forward(double[] x, double[] gain, double[] bias, double epsilon)
    {
        double[] y = Normal(x, gain.Length, epsilon);
        for (int i = 0; i < y.Length; i++)
        {
            y[i] = (y[i] * gain[i % gain.Length]) + bias[i % gain.Length];
        }

        return y;
    }

    /// <summary>∂x by the full Jacobian of a row, <c>∂x̂_i/∂x_j = scale·(δ_ij − 1/P − x̂_i·x̂_j/P)</c>.</summary>
    /// <param name="outputGradient">One block of rows like x per seed.</param>
    public static double[] Backward(double[] x, double[] gain, double[] outputGradient, double epsilon)
    {
        int columns = gain.Length;
        double[] normal = Normal(x, columns, epsilon);
        var gradient = new double[outputGradient.Length];
        for (int row = 0; row < outputGradient.Length; row += columns)
        {
            int input = row % x.Length;
            double scale = Statistics(x.AsSpan(input, columns), epsilon).Scale;
            for (int j = 0; j < columns; j++)
            {
                for (int i = 0; i < columns; i++)
                {
                    double jacobian = (i == j ? 1.0 : 0.0) - (1.0 / columns) - (normal[input + i] * normal[input + j] / columns);
                    gradient[row + j] += outputGradient[row + i] * gain[i] * scale * jacobian;
                }
            }
        }

        return gradient;
    }

    /// <summary><c>Σ_n ∂y∘x̂</c> and <c>Σ_n ∂y</c>.</summary>
    public static (double[] Gain, double[] Bias) ParameterGradients(double[] x, double[] outputGradient, int columns, double epsilon)
    {
        double[] normal = Normal(x, columns, epsilon);
        var gain = new double[columns];
        var bias = new double[columns];
        for (int i = 0; i < x.Length; i++)
        {
            gain[i % columns] += outputGradient[i] * normal[i];
            bias[i % columns] += outputGradient[i];
        }

        return (gain, bias);
    }
}
