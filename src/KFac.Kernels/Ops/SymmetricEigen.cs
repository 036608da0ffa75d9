namespace KFac.Kernels;

/// <summary>One matrix to diagonalise.</summary>
/// <param name="Matrix">[n, n], symmetric; the lower triangle is read.</param>
/// <param name="Values">[n], receives the eigenvalues in ascending order.</param>
/// <param name="Vectors">[n, n], receives the eigenvectors as columns, in the order of the values; must not overlap the matrix.</param>
public readonly record struct SymmetricEigenItem(MatrixView<float> Matrix, VectorView<float> Values, MatrixView<float> Vectors);

/// <summary>Eigendecompositions <c>A = Q·diag(w)·Qᵀ</c> of symmetric matrices; all matrices of a call are scheduled together.</summary>
/// <remarks>Orthogonality <c>‖QᵀQ − I‖</c> and residual <c>‖A·Q − Q·diag(w)‖/‖A‖</c> are at most <c>50·n·ε</c>. Each
/// eigenvector's element of largest magnitude (the first of equal ones) is positive, so the result is the same on every run.</remarks>
public static class SymmetricEigen
{
    /// <summary>Diagonalises every item.</summary>
    /// <param name="status">One element per item: 0 on success, 1 when the matrix is not finite or the iteration did not
    /// converge; that item's results are then undefined.</param>
    public static void Run(DeviceStream stream, ReadOnlySpan<SymmetricEigenItem> items, VectorView<int> status)
    {
        ISymmetricEigenKernel kernel = Check.Kernel(stream, static table => table.SymmetricEigen, nameof(SymmetricEigen));
        Check.View(stream, status, nameof(status));
        Check.Length(status, items.Length, nameof(status));
        foreach (ref readonly SymmetricEigenItem item in items)
        {
            Check.View(stream, item.Matrix, nameof(item.Matrix));
            Check.View(stream, item.Values, nameof(item.Values));
            Check.View(stream, item.Vectors, nameof(item.Vectors));
            Check.Square(item.Matrix, nameof(item.Matrix));
            Check.Length(item.Values, item.Matrix.Rows, nameof(item.Values));
            Check.Shape(item.Vectors, item.Matrix.Rows, item.Matrix.Columns, nameof(item.Vectors));
            Check.NoOverlap(item.Vectors, item.Matrix, nameof(item.Vectors), nameof(item.Matrix));
        }

        kernel.Run(items, status);
        foreach (ref readonly SymmetricEigenItem item in items)
        {
            GC.KeepAlive(item.Matrix.Buffer);
            GC.KeepAlive(item.Values.Buffer);
            GC.KeepAlive(item.Vectors.Buffer);
        }
    }
}

/// <summary>A device's implementation of <see cref="SymmetricEigen"/>.</summary>
internal interface ISymmetricEigenKernel
{
    void Run(ReadOnlySpan<SymmetricEigenItem> items, VectorView<int> status);
}
