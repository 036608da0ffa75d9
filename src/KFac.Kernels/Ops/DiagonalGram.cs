namespace KFac.Kernels;

/// <summary>The diagonal of a Gram matrix, <c>diag(X̃ᵀX̃)</c>: the factor of a side too wide for a matrix, such as a vocabulary.</summary>
/// <remarks>The vector must not overlap x. With β = 0 its old contents are not read. The order of the additions is fixed by the
/// shape. Error per element: at most <c>γ(n + 3)·(|α|·Σ x² + |β·d|)</c> for the squares of n rows, and γ(4) of the result's
/// terms for one-hot rows, whose sums are exact or in float64. NaN and infinity follow IEEE 754.</remarks>
public static class DiagonalGram
{
    /// <summary><c>d[j] ← α·Σ_i x[i, j]² + β·d[j]</c>.</summary>
    /// <param name="x">[N, P].</param>
    /// <param name="diagonal">d, [P].</param>
    public static void Expand(DeviceStream stream, MatrixView<float> x, float alpha, float beta, VectorView<float> diagonal)
    {
        IDiagonalGramKernel kernel = Kernel(stream, alpha, beta, diagonal);
        Check.View(stream, x, nameof(x));
        Check.Length(diagonal, x.Columns, nameof(diagonal));
        Check.NoOverlap(diagonal, x, nameof(diagonal), nameof(x));
        kernel.Expand(x, alpha, beta, diagonal);
    }

    /// <summary>As <see cref="Expand"/> for one-hot rows given by the position of their 1: <c>d[v] ← α·#{i : id[i] = v} + β·d[v]</c>.</summary>
    /// <param name="ids">[N]; a row whose id is outside 0 to P − 1 is zero.</param>
    /// <param name="diagonal">d, [P].</param>
    public static void OneHotExpand(DeviceStream stream, VectorView<int> ids, float alpha, float beta, VectorView<float> diagonal)
    {
        IDiagonalGramKernel kernel = Kernel(stream, alpha, beta, diagonal);
        CheckIds(stream, ids, diagonal);
        kernel.OneHot(ids, 1, null, SharingScale.Sum, alpha, beta, diagonal);
    }

    /// <summary>As <see cref="OneHotExpand"/> after each example's R rows have been reduced to one:
    /// <c>d[v] ← α·Σ_n (scale(R)·#{r : id[n·R + r] = v})² + β·d[v]</c>.</summary>
    /// <param name="ids">[M·R].</param>
    /// <param name="sharing">R, at least 1.</param>
    public static void OneHotReduce(
        DeviceStream stream, VectorView<int> ids, int sharing, SharingScale scale, float alpha, float beta, VectorView<float> diagonal)
    {
        IDiagonalGramKernel kernel = Kernel(stream, alpha, beta, diagonal);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(sharing);
        CheckIds(stream, ids, diagonal);
        Check.Same(ids.Length % sharing, 0, "ids beyond whole examples", "none");
        kernel.OneHot(ids, sharing, null, scale, alpha, beta, diagonal);
    }

    /// <summary>As the other for ragged examples, with R_n rows each; an example without rows adds nothing.</summary>
    /// <param name="ids">[R_M].</param>
    public static void OneHotReduce(
        DeviceStream stream, VectorView<int> ids, SegmentOffsets offsets, SharingScale scale, float alpha, float beta, VectorView<float> diagonal)
    {
        IDiagonalGramKernel kernel = Kernel(stream, alpha, beta, diagonal);
        ArgumentNullException.ThrowIfNull(offsets);
        CheckIds(stream, ids, diagonal);
        Check.View(stream, offsets.View, nameof(offsets));
        Check.Same(ids.Length, offsets.Rows, "ids", "rows that the offsets cover");
        kernel.OneHot(ids, 0, offsets, scale, alpha, beta, diagonal);
    }

    private static IDiagonalGramKernel Kernel(DeviceStream stream, float alpha, float beta, VectorView<float> diagonal)
    {
        IDiagonalGramKernel kernel = Check.Kernel(stream, static table => table.DiagonalGram, nameof(DiagonalGram));
        Check.View(stream, diagonal, nameof(diagonal));
        Check.Finite(alpha);
        Check.Finite(beta);
        return kernel;
    }

    private static void CheckIds(DeviceStream stream, VectorView<int> ids, VectorView<float> diagonal)
    {
        Check.View(stream, ids, nameof(ids));
        Check.NoOverlap(diagonal.AsMatrix(1, diagonal.Length), ids.AsMatrix(1, ids.Length), nameof(diagonal), nameof(ids));
    }
}

/// <summary>A device's implementation of <see cref="DiagonalGram"/>.</summary>
internal interface IDiagonalGramKernel
{
    void Expand(MatrixView<float> x, float alpha, float beta, VectorView<float> diagonal);

    /// <summary>Uniform where <paramref name="offsets"/> is null; expand is a sharing of 1.</summary>
    void OneHot(
        VectorView<int> ids, int sharing, SegmentOffsets? offsets, SharingScale scale, float alpha, float beta, VectorView<float> diagonal);
}
