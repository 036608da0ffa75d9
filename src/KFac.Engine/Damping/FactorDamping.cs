namespace KFac.Engine;

/// <summary>What is added to the diagonals of A and B when each is inverted on its own.</summary>
/// <param name="A">Added to the diagonal of A.</param>
/// <param name="B">Added to the diagonal of B; 0 where B is not inverted.</param>
public readonly record struct FactorDamping(double A, double B)
{
    /// <summary>Splits λ between the factors of one layer.</summary>
    /// <param name="style">Any but <see cref="DampingStyle.Product"/>, which does not split.</param>
    /// <param name="damping">λ, at least 0.</param>
    /// <param name="meanA">tr A / P_in, the bias column counted in both.</param>
    /// <param name="meanB">tr B / P_out.</param>
    /// <exception cref="ArgumentException">λ is negative or not finite, or the style does not split.</exception>
    public static FactorDamping Split(DampingStyle style, double damping, double meanA, double meanB)
    {
        OptionCheck.NonNegative(damping, nameof(damping));
        switch (style)
        {
            case DampingStyle.FactoredPi:
                double pi = Pi(meanA, meanB);
                double root = Math.Sqrt(damping);
                return new FactorDamping(pi * root, root / pi);
            case DampingStyle.PerFactor:
                return new FactorDamping(damping, damping);
            case DampingStyle.InputOnly:
                return new FactorDamping(damping, 0);
            default:
                throw new ArgumentException($"Damping style {style} does not split λ between the factors.", nameof(style));
        }
    }

    /// <summary>π, which gives both factors damping in proportion to their mean eigenvalue; 1 where either is not a finite
    /// number above 0.</summary>
    public static double Pi(double meanA, double meanB) =>
        meanA > 0 && meanB > 0 && double.IsFinite(meanA) && double.IsFinite(meanB) ? Math.Sqrt(meanA / meanB) : 1;
}
