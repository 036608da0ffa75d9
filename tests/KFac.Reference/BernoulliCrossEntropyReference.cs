namespace KFac.Reference;

/// <summary>Bernoulli likelihoods on logits, element by element; a NaN target masks.</summary>
public static class BernoulliCrossEntropyReference
{
    /// <summary><c>−t·log σ(z) − (1 − t)·log(1 − σ(z))</c>.</summary>
    public static double Loss(double z, double t) => double.IsNaN(t) ? 0 : (t * Softplus(-z)) + ((1 - t) * Softplus(z));

    /// <summary><c>σ(z) − t</c>.</summary>
    public static double Gradient(double p, double t) => double.IsNaN(t) ? 0 : p - t;

    /// <summary><c>√(p(1 − p))</c>.</summary>
    public static double HessianRoot(double p, double t) => double.IsNaN(t) ? 0 : Math.Sqrt(p * (1 - p));

    // log(1 + eᶻ), by its series where e^{−|z|} is small against 1.
    private static double Softplus(double z)
    {
        double tail = Math.Exp(-Math.Abs(z));
        double log = tail < 1e-4 ? tail - (tail * tail / 2) + (tail * tail * tail / 3) : Math.Log(1 + tail);
        return Math.Max(z, 0) + log;
    }
}
