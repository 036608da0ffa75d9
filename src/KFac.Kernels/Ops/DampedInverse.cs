namespace KFac.Kernels;

/// <summary>One matrix to invert.</summary>
/// <param name="Matrix">[n, n], symmetric; the lower triangle is read.</param>
/// <param name="Damping">λ, at least 0.</param>
/// <param name="Inverse">[n, n], receives (A + λI)⁻¹, symmetric to the bit; must not overlap the matrix.</param>
public readonly record struct DampedInverseItem(MatrixView<float> Matrix, float Damping, MatrixView<float> Inverse);

/// <summary>Precision in which an inverse is computed; input and result are float32 in either.</summary>
public enum InversePrecision
{
    /// <summary>float32.</summary>
    Single,

    /// <summary>float64, for matrices that fail in float32.</summary>
    Double,
}

/// <summary>Inverses <c>(A + λI)⁻¹</c> of symmetric positive definite matrices, through Cholesky; all matrices of a call are scheduled together.</summary>
/// <remarks>Error: <c>‖X·(A+λI) − I‖ ≤ c·n·ε·κ(A + λI)</c>, ε of the chosen precision plus one float32 rounding.</remarks>
public static class DampedInverse
{
    /// <summary>Inverts every item.</summary>
    /// <param name="status">One element per item: 0 on success, else 1 + the index of the first pivot that is not a
    /// positive finite number, or of the first diagonal element of the inverse that float32 cannot hold; that item's
    /// inverse is then undefined, the others are not affected.</param>
    public static void Run(
        DeviceStream stream, ReadOnlySpan<DampedInverseItem> items, VectorView<int> status, InversePrecision precision = InversePrecision.Single)
    {
        IDampedInverseKernel kernel = Check.Kernel(stream, static table => table.DampedInverse, nameof(DampedInverse));
        Check.View(stream, status, nameof(status));
        Check.Length(status, items.Length, nameof(status));
        foreach (ref readonly DampedInverseItem item in items)
        {
            Check.View(stream, item.Matrix, nameof(item.Matrix));
            Check.View(stream, item.Inverse, nameof(item.Inverse));
            Check.Square(item.Matrix, nameof(item.Matrix));
            Check.Shape(item.Inverse, item.Matrix.Rows, item.Matrix.Columns, nameof(item.Inverse));
            Check.NoOverlap(item.Inverse, item.Matrix, nameof(item.Inverse), nameof(item.Matrix));
            Check.Finite(item.Damping);
            ArgumentOutOfRangeException.ThrowIfNegative(item.Damping);
        }

        kernel.Run(items, status, precision);
        foreach (ref readonly DampedInverseItem item in items)
        {
            GC.KeepAlive(item.Matrix.Buffer);
            GC.KeepAlive(item.Inverse.Buffer);
        }
    }
}

/// <summary>A device's implementation of <see cref="DampedInverse"/>.</summary>
internal interface IDampedInverseKernel
{
    void Run(ReadOnlySpan<DampedInverseItem> items, VectorView<int> status, InversePrecision precision);
}
