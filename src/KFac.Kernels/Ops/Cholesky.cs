namespace KFac.Kernels;

/// <summary>Cholesky factorisation <c>A + λI = L·Lᵀ</c> of a symmetric positive definite matrix.</summary>
/// <remarks>Only the lower triangle of A is read. L is written with zeros above its diagonal; it may be A itself.
/// Backward error: <c>‖L·Lᵀ − (A + λI)‖ ≤ γ(n+1)·‖|L|·|L|ᵀ‖</c>.</remarks>
public static class Cholesky
{
    /// <summary>Factors one matrix.</summary>
    /// <param name="matrix">[n, n].</param>
    /// <param name="damping">λ, at least 0.</param>
    /// <param name="lower">[n, n].</param>
    /// <param name="status">One element: 0 on success, else 1 + the index of the first pivot that is not a positive
    /// finite number; L is then undefined.</param>
    public static void Run(
        DeviceStream stream, MatrixView<float> matrix, float damping, MatrixView<float> lower, VectorView<int> status)
    {
        ICholeskyKernel kernel = Check.Kernel(stream, static table => table.Cholesky, nameof(Cholesky));
        Check.View(stream, matrix, nameof(matrix));
        Check.View(stream, lower, nameof(lower));
        Check.View(stream, status, nameof(status));
        Check.Square(matrix, nameof(matrix));
        Check.Shape(lower, matrix.Rows, matrix.Columns, nameof(lower));
        Check.Length(status, 1, nameof(status));
        Check.Finite(damping);
        ArgumentOutOfRangeException.ThrowIfNegative(damping);
        kernel.Run(matrix, damping, lower, status);
    }
}

/// <summary>A device's implementation of <see cref="Cholesky"/>.</summary>
internal interface ICholeskyKernel
{
    void Run(MatrixView<float> matrix, float damping, MatrixView<float> lower, VectorView<int> status);
}
