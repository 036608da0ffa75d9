namespace KFac.Reference;

/// <summary>Non-linearities and their derivatives.</summary>
public static class ActivationReference
{
    public static double Relu(double x) => Math.Max(x, 0);

    public static double ReluDerivative(double x) => double.IsNaN(x) ? x : x > 0 ? 1 : 0;

    public static double Tanh(double x) => Math.Tanh(x);

    public static double TanhDerivative(double x)
    {
        double cosh = Math.Cosh(Math.Min(Math.Abs(x), 400));
        return 1 / (cosh * cosh);
    }

    public static double Sigmoid(double x) => x >= 0 ? 1 / (1 + Math.Exp(-x)) : Math.Exp(x) / (1 + Math.Exp(x));

    public static double SigmoidDerivative(double x) => Sigmoid(x) * Sigmoid(-x);

    public static double Gelu(double x) => double.IsNegativeInfinity(x) ? 0 : x * NormalDistribution(x);

    public static double GeluDerivative(double x) =>
        double.IsInfinity(x) ? (x > 0 ? 1 : 0) : NormalDistribution(x) + (x * NormalDensity(x));

    /// <summary>φ(x).</summary>
    public static double NormalDensity(double x) => Math.Exp(-0.5 * x * x) / Math.Sqrt(2 * Math.PI);

    /// <summary>Φ(x): near 0 by the series of ½ + φ(x)·(x + x³/3 + x⁵/15 + …), further out by the continued fraction of the
    /// tail (Abramowitz and Stegun 1964, 26.2.11 and 26.2.14).</summary>
    public static double NormalDistribution(double x)
    {
        if (double.IsNaN(x))
        {
            return x;
        }

        double distance = Math.Abs(x);
        if (distance < 2.5)
        {
            double term = x;
            double sum = x;
            for (int k = 1; Math.Abs(term) > 1e-18 * Math.Abs(sum); k++)
            {
                term *= x * x / ((2 * k) + 1);
                sum += term;
            }

            return 0.5 + (NormalDensity(x) * sum);
        }

        double fraction = distance;
        for (int k = 300; k > 0; k--)
        {
            fraction = distance + (k / fraction);
        }

        double tail = double.IsInfinity(distance) ? 0 : NormalDensity(x) / fraction;
        return x > 0 ? 1 - tail : tail;
    }
}
