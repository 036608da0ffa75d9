namespace KFac.Reference;

/// <summary>Preconditioned gradients in float64; A is [n, n], B [m, m], the gradient [m, n].</summary>
public static class Preconditioning
{
    /// <summary><c>(A⊗B + λI)⁻¹ vec(∇W)</c> with the Kronecker product formed and columns stacked.</summary>
    public static double[] Dense(double[] a, int n, double[] b, int m, double[] gradient, double damping)
    {
        int size = n * m;
        var product = new double[size * size];
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j < size; j++)
            {
                product[(i * size) + j] = a[(i / m * n) + (j / m)] * b[(i % m * m) + (j % m)];
            }
        }

        double[] inverse = DampedInverse.Run(product, size, damping);
        var update = new double[size];
        for (int i = 0; i < size; i++)
        {
            for (int j = 0; j < size; j++)
            {
                update[(i % m * n) + (i / m)] += inverse[(i * size) + j] * gradient[(j % m * n) + (j / m)];
            }
        }

        return update;
    }

    /// <summary><c>(B + λ_B I)⁻¹ ∇W (A + λ_A I)⁻¹</c>.</summary>
    public static double[] Factored(
        double[] a, int n, double dampingA, double[] b, int m, double dampingB, double[] gradient)
    {
        double[] left = GemmReference.Multiply(false, false, 1, DampedInverse.Run(b, m, dampingB), gradient, 0, [], m, n, m);
        return GemmReference.Multiply(false, false, 1, left, DampedInverse.Run(a, n, dampingA), 0, [], m, n, n);
    }

    /// <summary>π of the factored damping: <c>π² = (tr A / n)/(tr B / m)</c>, 1 where either trace is 0.</summary>
    public static double Pi(double[] a, int n, double[] b, int m)
    {
        double meanA = Trace(a, n) / n;
        double meanB = Trace(b, m) / m;
        return meanA == 0 || meanB == 0 ? 1 : Math.Sqrt(meanA / meanB);
    }

    private static double Trace(double[] matrix, int n) => Enumerable.Range(0, n).Sum(i => matrix[(i * n) + i]);
}
