namespace KFac.Reference;

/// <summary>Softmax cross-entropy of one row of logits.</summary>
public static class SoftmaxCrossEntropyReference
{
    /// <summary>softmax(z).</summary>
    public static double[] Probabilities(double[] z)
    {
        double maximum = z.Max();
        double[] powers = [.. z.Select(v => Math.Exp(v - maximum))];
        double sum = powers.Sum();
        return [.. powers.Select(v => v / sum)];
    }

    /// <summary><c>log Σ eᶻ − z[label]</c>; 0 for a masked row.</summary>
    public static double Loss(double[] z, int label)
    {
        if (label < 0)
        {
            return 0;
        }

        double maximum = z.Max();
        return Math.Log(z.Sum(v => Math.Exp(v - maximum))) + maximum - z[label];
    }

    /// <summary><c>p − e_label</c>.</summary>
    public static double[] Gradient(double[] p, int label) =>
        [.. p.Select((v, c) => label < 0 ? 0 : v - (c == label ? 1 : 0))];

    /// <summary><c>log Σ eᶻ − Σ q·z</c> with <c>q = (1 − ε)·e_label + ε/C</c>; 0 for a masked row.</summary>
    public static double SmoothedLoss(double[] z, int label, double smoothing) =>
        label < 0 ? 0 : ((1 - smoothing) * Loss(z, label)) + (smoothing * Enumerable.Range(0, z.Length).Average(c => Loss(z, c)));

    /// <summary><c>p − q</c>.</summary>
    public static double[] SmoothedGradient(double[] p, int label, double smoothing) =>
        [.. p.Select((v, c) => label < 0 ? 0 : v - (c == label ? 1 - smoothing : 0) - (smoothing / p.Length))];

    /// <summary>Column <paramref name="column"/> of <c>diag(√p) − p·√pᵀ</c>.</summary>
    public static double[] HessianRoot(double[] p, int label, int column) =>
        [.. p.Select((v, c) => label < 0 ? 0 : Math.Sqrt(p[column]) * ((c == column ? 1 : 0) - v))];

    /// <summary><c>diag(p) − p·pᵀ</c>, row-major.</summary>
    public static double[] Hessian(double[] p) =>
        [.. Enumerable.Range(0, p.Length * p.Length).Select(i =>
            (i / p.Length == i % p.Length ? p[i / p.Length] : 0) - (p[i / p.Length] * p[i % p.Length]))];
}
