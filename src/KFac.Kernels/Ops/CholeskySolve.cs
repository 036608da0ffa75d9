namespace KFac.Kernels;

/// <summary>One matrix to factor for <see cref="CholeskySolve"/>.</summary>
/// <param name="Matrix">[n, n], symmetric; the lower triangle is read.</param>
/// <param name="Damping">λ, at least 0.</param>
/// <param name="Factor"><see cref="CholeskySolve.FactorLength"/> elements; must not overlap the matrix.</param>
public readonly record struct CholeskySolveItem(MatrixView<float> Matrix, float Damping, VectorView<float> Factor);

/// <summary>Vectors to multiply by one damped inverse for <see cref="CholeskySolve"/>.</summary>
/// <param name="Side">Where the inverse stands.</param>
/// <param name="Factor">From <see cref="CholeskySolve.Factor"/>.</param>
/// <param name="Vectors">V, [K, n] for the right side, [n, K] for the left.</param>
/// <param name="Result">Alike; V itself, or apart from it and from the factor.</param>
public readonly record struct CholeskySolveProduct(MatrixSide Side, VectorView<float> Factor, MatrixView<float> Vectors, MatrixView<float> Result);

/// <summary>The damped inverse of a symmetric positive definite matrix, applied through its Cholesky factor: <c>A + λI = L·Lᵀ</c>,
/// <c>V·(A + λI)⁻¹ = V·L⁻ᵀ·L⁻¹</c>.</summary>
/// <remarks>
/// Factoring takes a third of the n³ operations of <see cref="DampedInverse"/>; applying the factor to K vectors takes as many as a
/// product with the inverse, <c>2·K·n²</c>. So it pays wherever few vectors meet each inverse.
/// <para>
/// The factor is kept in blocks of <see cref="Block"/> columns, the same on every device, in the order in which solves read them. With
/// <c>N = Block·⌈n/Block⌉</c>, L padded by the identity, and <c>D_j = L_jj⁻¹</c>: for every block column j of Lᵀ its rows above the
/// diagonal block, then <c>D_jᵀ</c>; after these for every block column j of L first <c>D_j</c>, then the rows below. Each is row-major, so that a solve is
/// nothing but products.
/// </para>
/// <para>
/// Error: <c>‖result − V(A + λI)⁻¹‖ ≤ c·n·ε·κ·‖V‖·‖(A + λI)⁻¹‖</c>, κ the condition number of A + λI, ε of float32: that of the explicit inverse. The
/// inverted diagonal blocks add terms in <c>κ(L_jj) ≤ √κ</c> only. Factoring in float64 succeeds beyond <c>κ = 1/ε</c>; the factor is rounded to float32.
/// </para>
/// </remarks>
public static class CholeskySolve
{
    /// <summary>Columns of a block.</summary>
    public const int Block = 48;

    /// <summary>Whether the stream's device gains by it where few vectors meet each inverse.</summary>
    /// <remarks>A GPU does not, and has the operation so that factors move between devices: a solve is a chain of 2n/Block products of which each
    /// has K·Block elements, far too small to fill it, while a product with the inverse is one launch that does.</remarks>
    public static bool PaysForFewVectors(DeviceStream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        return stream.Kernels.CholeskySolve is { PaysForFewVectors: true };
    }

    /// <summary>Elements of the factor of an n×n matrix, <c>N·(N + Block)</c>.</summary>
    /// <exception cref="OverflowException">n is too large for one vector.</exception>
    public static int FactorLength(int n)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(n);
        int padded = checked((n + Block - 1) / Block * Block);
        return checked(padded * (padded + Block));
    }

    /// <summary>Factors every item; all of a call are scheduled together.</summary>
    /// <param name="status">One element per item: 0 on success, else 1 + the index of the first pivot that is not a positive
    /// finite number, or of the first whose reciprocal float32 cannot hold; that item's factor is then undefined, the others are
    /// not affected.</param>
    public static void Factor(
        DeviceStream stream, ReadOnlySpan<CholeskySolveItem> items, VectorView<int> status, InversePrecision precision = InversePrecision.Single)
    {
        ICholeskySolveKernel kernel = Check.Kernel(stream, static table => table.CholeskySolve, nameof(CholeskySolve));
        Check.View(stream, status, nameof(status));
        Check.Length(status, items.Length, nameof(status));
        foreach (ref readonly CholeskySolveItem item in items)
        {
            Check.View(stream, item.Matrix, nameof(item.Matrix));
            Check.View(stream, item.Factor, nameof(item.Factor));
            Check.Square(item.Matrix, nameof(item.Matrix));
            Check.Length(item.Factor, FactorLength(item.Matrix.Rows), nameof(item.Factor));
            Check.NoOverlap(item.Factor, item.Matrix, nameof(item.Factor), nameof(item.Matrix));
            Check.Finite(item.Damping);
            ArgumentOutOfRangeException.ThrowIfNegative(item.Damping);
        }

        kernel.Factor(items, status, precision);
        foreach (ref readonly CholeskySolveItem item in items)
        {
            GC.KeepAlive(item.Matrix.Buffer);
            GC.KeepAlive(item.Factor.Buffer);
        }
    }

    /// <summary><c>result ← V·(A + λI)⁻¹</c>, or with the inverse on the left <c>(A + λI)⁻¹·V</c>.</summary>
    /// <param name="side">Where the inverse stands.</param>
    /// <param name="factor">From <see cref="Factor"/>.</param>
    /// <param name="v">V, [K, n] for the right side, [n, K] for the left.</param>
    /// <param name="result">Alike; V itself, or apart from it and from the factor.</param>
    public static void Apply(DeviceStream stream, MatrixSide side, VectorView<float> factor, MatrixView<float> v, MatrixView<float> result) =>
        Apply(stream, [new CholeskySolveProduct(side, factor, v, result)]);

    /// <summary>Several products at once; all of a call are scheduled together.</summary>
    /// <param name="products">No result overlaps what another product reads or writes.</param>
    public static void Apply(DeviceStream stream, ReadOnlySpan<CholeskySolveProduct> products)
    {
        ICholeskySolveKernel kernel = Check.Kernel(stream, static table => table.CholeskySolve, nameof(CholeskySolve));
        for (int i = 0; i < products.Length; i++)
        {
            ref readonly CholeskySolveProduct product = ref products[i];
            (MatrixView<float> v, MatrixView<float> result) = (product.Vectors, product.Result);
            Check.View(stream, product.Factor, "factor");
            Check.View(stream, v, nameof(v));
            Check.View(stream, result, nameof(result));
            Check.Length(product.Factor, FactorLength(product.Side == MatrixSide.Right ? v.Columns : v.Rows), "factor");
            Check.Shape(result, v.Rows, v.Columns, nameof(result));
            Check.NoOverlap(result, product.Factor, nameof(result), "factor");
            Check.InPlaceOrApart(result, v, nameof(result), nameof(v));
            for (int other = 0; other < products.Length; other++)
            {
                if (other != i)
                {
                    Check.NoOverlap(result, products[other].Factor, nameof(result), "factor of another product");
                    Check.NoOverlap(result, products[other].Vectors, nameof(result), "v of another product");
                    Check.NoOverlap(result, products[other].Result, nameof(result), "result of another product");
                }
            }
        }

        kernel.Apply(products);
        foreach (ref readonly CholeskySolveProduct product in products)
        {
            GC.KeepAlive(product.Factor.Buffer);
            GC.KeepAlive(product.Vectors.Buffer);
            GC.KeepAlive(product.Result.Buffer);
        }
    }
}

/// <summary>A device's implementation of <see cref="CholeskySolve"/>.</summary>
internal interface ICholeskySolveKernel
{
    /// <inheritdoc cref="CholeskySolve.PaysForFewVectors"/>
    bool PaysForFewVectors { get; }

    void Factor(ReadOnlySpan<CholeskySolveItem> items, VectorView<int> status, InversePrecision precision);

    /// <summary>Results may be empty.</summary>
    void Apply(ReadOnlySpan<CholeskySolveProduct> products);
}
