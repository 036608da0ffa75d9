namespace KFac.Reference;

/// <summary>Products with <c>(λI + α·XᵀX)⁻¹</c> in float64, the P×P matrix formed and inverted: no Woodbury, so independent of the kernels' route.</summary>
public static class DualInverseReference
{
    /// <summary><c>V·(λI + α·XᵀX)⁻¹</c> for V of [k, p], or the inverse times V of [p, k].</summary>
    public static double[] Apply(bool left, double[] x, int m, int p, double alpha, double damping, double[] v, int k)
    {
        double[] matrix = GemmReference.Multiply(true, false, alpha, x, x, 0, [], p, p, m);
        double[] inverse = DampedInverse.Run(matrix, p, damping);
        return left
            ? GemmReference.Multiply(false, false, 1, inverse, v, 0, [], p, k, p)
            : GemmReference.Multiply(false, false, 1, v, inverse, 0, [], k, p, p);
    }
}
