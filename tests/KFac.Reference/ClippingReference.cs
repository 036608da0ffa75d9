namespace KFac.Reference;

/// <summary>Factors that keep a step in bounds.</summary>
public static class ClippingReference
{
    /// <summary><c>min(1, √(κ/(η² Σ products)))</c>; 1 where the sum is not above 0.</summary>
    public static double ByDivergence(IEnumerable<double> products, double learningRate, double clip)
    {
        double sum = products.Sum();
        return sum > 0 ? Math.Min(1, Math.Sqrt(clip / (learningRate * learningRate * sum))) : 1;
    }
}
