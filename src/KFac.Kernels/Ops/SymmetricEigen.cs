namespace KFac.Kernels;

/// <summary>One matrix to diagonalise.</summary>
/// <param name="Matrix">[n, n], symmetric; the lower triangle is read.</param>
/// <param name="Values">[n], receives the eigenvalues in ascending order.</param>
/// <param name="Vectors">[n, n], receives the eigenvectors as columns, in the order of the values; must not overlap the matrix.</param>
/// <param name="Previous">[n, n], the eigenvectors of a matrix near this one as columns in any order, which speeds up the
/// decomposition when little has changed, or nothing (<c>default</c>). May be <paramref name="Vectors"/> itself; must not
/// overlap it otherwise.</param>
public readonly record struct SymmetricEigenItem(
    MatrixView<float> Matrix, VectorView<float> Values, MatrixView<float> Vectors, MatrixView<float> Previous = default);

/// <summary>Eigendecompositions <c>A = Q·diag(w)·Qᵀ</c> of symmetric matrices; all matrices of a call are scheduled together.</summary>
/// <remarks>
/// Orthogonality <c>‖QᵀQ − I‖</c> and residual <c>‖A·Q − Q·diag(w)‖/‖A‖</c> are at most <c>50·n·ε</c>. Each
/// eigenvector's element of largest magnitude (the first of equal ones) is positive, so the result is the same on every run.
/// <para>With a previous basis V the bound is the same: residual and orthogonality of what V leads to are measured, and an item
/// for which they are beyond <see cref="EigenWarmStart.Tolerance"/> is decomposed from scratch. V need not be
/// orthogonal, nor finite, nor have to do with the matrix: that costs time only.</para>
/// </remarks>
public static class SymmetricEigen
{
    /// <summary>Diagonalises every item.</summary>
    /// <param name="status">One element per item: 0 on success, 1 when the matrix is not finite or the iteration did not
    /// converge; that item's results are then undefined.</param>
    public static void Run(DeviceStream stream, ReadOnlySpan<SymmetricEigenItem> items, VectorView<int> status) =>
        Run(stream, items, status, default, EigenWarmStart.Default);

    /// <summary>Diagonalises every item and reports how.</summary>
    /// <param name="status">As in <see cref="Run(DeviceStream, ReadOnlySpan{SymmetricEigenItem}, VectorView{int})"/>.</param>
    /// <param name="outcomes">One element per item, or none where nobody asks.</param>
    /// <param name="warmStart">When a previous basis is good enough.</param>
    public static void Run(
        DeviceStream stream,
        ReadOnlySpan<SymmetricEigenItem> items,
        VectorView<int> status,
        VectorView<EigenOutcome> outcomes,
        EigenWarmStart warmStart)
    {
        ISymmetricEigenKernel kernel = Check.Kernel(stream, static table => table.SymmetricEigen, nameof(SymmetricEigen));
        ArgumentNullException.ThrowIfNull(warmStart);
        warmStart.Validate();
        Check.View(stream, status, nameof(status));
        Check.Length(status, items.Length, nameof(status));
        Check.View(stream, outcomes, nameof(outcomes));
        if (!outcomes.IsEmpty)
        {
            Check.Length(outcomes, items.Length, nameof(outcomes));
        }

        foreach (ref readonly SymmetricEigenItem item in items)
        {
            CheckItem(stream, item);
        }

        kernel.Run(items, status, outcomes, warmStart);
        foreach (ref readonly SymmetricEigenItem item in items)
        {
            GC.KeepAlive(item.Matrix.Buffer);
            GC.KeepAlive(item.Values.Buffer);
            GC.KeepAlive(item.Vectors.Buffer);
            GC.KeepAlive(item.Previous.Buffer);
        }
    }

    private static void CheckItem(DeviceStream stream, in SymmetricEigenItem item)
    {
        Check.View(stream, item.Matrix, nameof(item.Matrix));
        Check.View(stream, item.Values, nameof(item.Values));
        Check.View(stream, item.Vectors, nameof(item.Vectors));
        Check.Square(item.Matrix, nameof(item.Matrix));
        Check.Length(item.Values, item.Matrix.Rows, nameof(item.Values));
        Check.Shape(item.Vectors, item.Matrix.Rows, item.Matrix.Columns, nameof(item.Vectors));
        Check.NoOverlap(item.Vectors, item.Matrix, nameof(item.Vectors), nameof(item.Matrix));
        if (item.Previous.IsEmpty)
        {
            return;
        }

        Check.View(stream, item.Previous, nameof(item.Previous));
        Check.Shape(item.Previous, item.Matrix.Rows, item.Matrix.Columns, nameof(item.Previous));
        Check.InPlaceOrApart(item.Vectors, item.Previous, nameof(item.Vectors), nameof(item.Previous));
        Check.NoOverlap(item.Values, item.Previous, nameof(item.Values), nameof(item.Previous));
    }
}

/// <summary>A device's implementation of <see cref="SymmetricEigen"/>.</summary>
internal interface ISymmetricEigenKernel
{
    /// <param name="outcomes">Empty where nobody asks. A device that makes no use of previous bases reports
    /// <see cref="EigenRoute.Decomposed"/>.</param>
    void Run(
        ReadOnlySpan<SymmetricEigenItem> items, VectorView<int> status, VectorView<EigenOutcome> outcomes, EigenWarmStart warmStart);
}
