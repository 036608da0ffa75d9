namespace KFac.Reference;

/// <summary>Gradients by central differences in float64.</summary>
public static class FiniteDifference
{
    private const double Step = 1e-5;

    /// <summary>What truncation and rounding leave of a gradient, relative to the size of the function.</summary>
    public const double RelativeError = 1e-9;

    /// <summary>∂f/∂x at x, element by element.</summary>
    public static double[] Gradient(Func<double[], double> function, double[] x)
    {
        var point = (double[])x.Clone();
        var gradient = new double[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            point[i] = x[i] + Step;
            double above = function(point);
            point[i] = x[i] - Step;
            double below = function(point);
            point[i] = x[i];
            gradient[i] = (above - below) / (2 * Step);
        }

        return gradient;
    }
}
