namespace KFac.Reference;

/// <summary>Losses of one output row in float64, and their Hessians by the textbook formulas.</summary>
public static class LossFunctions
{
    /// <summary>−log softmax(z)[label]; 0 for a negative label.</summary>
    public static double CrossEntropy(ReadOnlySpan<double> z, int label)
    {
        if (label < 0)
        {
            return 0;
        }

        double sum = 0;
        double maximum = double.NegativeInfinity;
        foreach (double value in z)
        {
            maximum = Math.Max(maximum, value);
        }

        foreach (double value in z)
        {
            sum += Math.Exp(value - maximum);
        }

        return maximum + Math.Log(sum) - z[label];
    }

    /// <summary>½ (f − y)ᵀ·P·(f − y), P [C, C].</summary>
    public static double SquaredError(ReadOnlySpan<double> f, ReadOnlySpan<double> y, ReadOnlySpan<double> precision)
    {
        double sum = 0;
        for (int i = 0; i < f.Length; i++)
        {
            for (int j = 0; j < f.Length; j++)
            {
                sum += (f[i] - y[i]) * precision[(i * f.Length) + j] * (f[j] - y[j]);
            }
        }

        return sum / 2;
    }

    /// <summary>Σ_c log(1 + eᶻ) − z·t over elements whose target is not NaN.</summary>
    public static double Bernoulli(ReadOnlySpan<double> z, ReadOnlySpan<double> targets)
    {
        double sum = 0;
        for (int i = 0; i < z.Length; i++)
        {
            if (!double.IsNaN(targets[i]))
            {
                sum += Math.Max(z[i], 0) + Math.Log(1 + Math.Exp(-Math.Abs(z[i]))) - (z[i] * targets[i]);
            }
        }

        return sum;
    }

    /// <summary>diag(p) − p·pᵀ.</summary>
    public static double[] CrossEntropyHessian(ReadOnlySpan<double> z)
    {
        int n = z.Length;
        var p = new double[n];
        double sum = 0;
        for (int i = 0; i < n; i++)
        {
            p[i] = Math.Exp(z[i]);
            sum += p[i];
        }

        var hessian = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                hessian[(i * n) + j] = ((i == j ? p[i] : 0) / sum) - (p[i] * p[j] / (sum * sum));
            }
        }

        return hessian;
    }

    /// <summary>diag(σ(1 − σ)), zero where masked.</summary>
    public static double[] BernoulliHessian(ReadOnlySpan<double> z, ReadOnlySpan<double> targets)
    {
        int n = z.Length;
        var hessian = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            double p = NetworkFunctions.Sigmoid(z[i]);
            hessian[(i * n) + i] = double.IsNaN(targets[i]) ? 0 : p * (1 - p);
        }

        return hessian;
    }
}
