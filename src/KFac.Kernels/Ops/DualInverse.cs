namespace KFac.Kernels;

/// <summary>On which side of a matrix something is multiplied.</summary>
public enum MatrixSide
{
    /// <summary>From the left.</summary>
    Left,

    /// <summary>From the right.</summary>
    Right,
}

/// <summary>The damped inverse of a matrix <c>α·XᵀX</c> of few rows, applied through the M×M system of the rows instead of a P×P one.</summary>
/// <remarks>
/// <c>(λI + α·XᵀX)⁻¹ = (I − α·Xᵀ·S·X)/λ</c> with <c>S = (λI + α·X·Xᵀ)⁻¹</c>, X of M rows and P columns, λ above 0 (Woodbury).
/// <see cref="Gram"/> makes <c>α·X·Xᵀ</c>, <see cref="DampedInverse"/> makes S of it, and <see cref="Apply"/> multiplies by
/// the inverse; no P×P matrix is formed. Cheaper than the inverse itself where M is well below P: <c>M²P + M³</c>
/// multiply-adds instead of <c>M·P² + P³</c> to prepare, <c>2·K·M·P + K·M²</c> instead of <c>K·P²</c> for K vectors.
/// <para>Error: <c>‖result − V(λI + α·XᵀX)⁻¹‖ ≤ c·(M + P)·ε·κ^{3/2}·‖V‖/λ</c>, ε = 2⁻²⁴, κ = 1 + α·‖X‖²/λ, in 2-norms.</para>
/// </remarks>
public static class DualInverse
{
    /// <summary>Whether the stream's device has the operation; without it the inverse itself does as well.</summary>
    public static bool IsOffered(DeviceStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return stream.Kernels.DualInverse is not null;
    }

    /// <summary><c>gram ← α·X·Xᵀ</c>, symmetric to the bit: the inner products of the rows.</summary>
    /// <param name="x">[M, P].</param>
    /// <param name="gram">[M, M]; must not overlap x.</param>
    public static void Gram(DeviceStream stream, MatrixView<float> x, float alpha, MatrixView<float> gram)
    {
        IDualInverseKernel kernel = Check.Kernel(stream, static table => table.DualInverse, nameof(DualInverse));
        Check.View(stream, x, nameof(x));
        Check.View(stream, gram, nameof(gram));
        Check.Shape(gram, x.Rows, x.Rows, nameof(gram));
        Check.Finite(alpha);
        Check.NoOverlap(gram, x, nameof(gram), nameof(x));
        if (!gram.IsEmpty)
        {
            kernel.Gram(x, alpha, gram);
        }
    }

    /// <summary><c>result ← V·(λI + α·XᵀX)⁻¹</c>, or with the inverse on the left <c>(λI + α·XᵀX)⁻¹·V</c>.</summary>
    /// <param name="side">Where the inverse stands.</param>
    /// <param name="x">[M, P]; without rows the inverse is I/λ.</param>
    /// <param name="inverse">S, [M, M], symmetric: <c>(λI + α·X·Xᵀ)⁻¹</c> for the same α and λ.</param>
    /// <param name="damping">λ, above 0, with a finite 1/λ.</param>
    /// <param name="v">V, [K, P] for the right side, [P, K] for the left.</param>
    /// <param name="result">Alike; must not overlap the others.</param>
    /// <exception cref="ArgumentException">Shapes disagree, λ is not above 0, or the result overlaps an input; it is untouched.</exception>
    public static void Apply(
        DeviceStream stream,
        MatrixSide side,
        MatrixView<float> x,
        float alpha,
        MatrixView<float> inverse,
        float damping,
        MatrixView<float> v,
        MatrixView<float> result)
    {
        IDualInverseKernel kernel = Check.Kernel(stream, static table => table.DualInverse, nameof(DualInverse));
        Check.View(stream, x, nameof(x));
        Check.View(stream, inverse, nameof(inverse));
        Check.View(stream, v, nameof(v));
        Check.View(stream, result, nameof(result));
        Check.Shape(inverse, x.Rows, x.Rows, nameof(inverse));
        Check.Same(side == MatrixSide.Right ? v.Columns : v.Rows, x.Columns, "width of V on the inverse's side", "columns of x");
        Check.Shape(result, v.Rows, v.Columns, nameof(result));
        Check.Finite(alpha);
        Check.Finite(damping);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(damping);
        Check.Finite(1 / damping);
        Check.NoOverlap(result, x, nameof(result), nameof(x));
        Check.NoOverlap(result, inverse, nameof(result), nameof(inverse));
        Check.NoOverlap(result, v, nameof(result), nameof(v));
        if (!result.IsEmpty)
        {
            kernel.Apply(new DualInverseArguments(side, x, alpha, inverse, damping, v, result));
        }
    }
}

/// <summary>Checked arguments of <see cref="DualInverse.Apply"/>; the result is not empty.</summary>
internal readonly record struct DualInverseArguments(
    MatrixSide Side,
    MatrixView<float> X,
    float Alpha,
    MatrixView<float> Inverse,
    float Damping,
    MatrixView<float> V,
    MatrixView<float> Result);

/// <summary>A device's implementation of <see cref="DualInverse"/>.</summary>
internal interface IDualInverseKernel
{
    void Gram(MatrixView<float> x, float alpha, MatrixView<float> gram);

    void Apply(in DualInverseArguments arguments);
}
