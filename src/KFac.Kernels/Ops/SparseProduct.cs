namespace KFac.Kernels;

/// <summary>A sparse matrix times dense rows: aggregation over a graph's edges, gathering rows, adding them up by index.</summary>
public static class SparseProduct
{
    /// <summary><c>Y ← alpha·S·X + beta·Y</c>, for one or more blocks stacked on top of each other.</summary>
    /// <remarks>Row i of a block is summed in the order of S's entries, in float32. Error:
    /// <c>γ(k + 2)·(|alpha|·Σ|s||x| + |beta||y|)</c> with k entries in the row. A row without entries becomes <c>beta·y</c>.</remarks>
    /// <param name="s">[m, n].</param>
    /// <param name="x">[B·n, P]: B blocks.</param>
    /// <param name="beta">0 to overwrite, whatever was there.</param>
    /// <param name="y">[B·m, P].</param>
    public static void Run(
        DeviceStream stream, float alpha, SparseMatrix s, MatrixView<float> x, float beta, MatrixView<float> y)
    {
        ISparseProductKernel kernel = Check.Kernel(stream, static table => table.SparseProduct, nameof(SparseProduct));
        ArgumentNullException.ThrowIfNull(s);
        Check.View(stream, s.Offsets, nameof(s));
        Check.View(stream, s.Indices, nameof(s));
        Check.View(stream, x, nameof(x));
        Check.View(stream, y, nameof(y));
        int blocks = Blocks(s, x, y);
        Check.Shape(x, blocks * s.Columns, x.Columns, nameof(x));
        Check.Shape(y, blocks * s.Rows, x.Columns, nameof(y));
        Check.NoOverlap(y, x, nameof(y), nameof(x));
        Check.Finite(alpha);
        Check.Finite(beta);
        if (y.Rows > 0 && y.Columns > 0)
        {
            kernel.Run(alpha, s, x, beta, y);
        }
    }

    /// <summary>Where a side of S is empty the other one tells the number of blocks.</summary>
    private static int Blocks(SparseMatrix s, MatrixView<float> x, MatrixView<float> y) => s.Columns > 0
        ? Check.Seeds(x.Rows, s.Columns, nameof(x))
        : Check.Seeds(y.Rows, s.Rows, nameof(y));
}

/// <summary>A device's implementation of <see cref="SparseProduct"/>.</summary>
internal interface ISparseProductKernel
{
    void Run(float alpha, SparseMatrix s, MatrixView<float> x, float beta, MatrixView<float> y);
}
