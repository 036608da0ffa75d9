namespace KFac.Kernels;

/// <summary>Picks rows of a table by index, and adds rows back to where they came from: embeddings, and sequences that are padded
/// or freed of their padding.</summary>
/// <remarks>An index of −1 stands for no row: it reads zeros and adds to nothing. Indices outside −1 to V−1 are refused where
/// data enters (token inputs), not here; one that gets through reads NaN and adds to nothing.</remarks>
public static class RowGather
{
    /// <summary>The index that stands for no row.</summary>
    public const int None = -1;

    /// <summary><c>y[n, :] ← table[indices[n], :]</c>, in O(N·P); exact.</summary>
    /// <param name="table">[V, P].</param>
    /// <param name="indices">[N].</param>
    /// <param name="y">[N, P].</param>
    public static void Gather(DeviceStream stream, MatrixView<float> table, VectorView<int> indices, MatrixView<float> y)
    {
        IRowGatherKernel kernel = Kernel(stream, table, indices, y, nameof(y));
        Check.NoOverlap(y, table, nameof(y), nameof(table));
        Check.NoOverlap(y, indices.AsMatrix(1, indices.Length), nameof(y), nameof(indices));
        kernel.Gather(table, indices, y);
    }

    /// <summary><c>table[v, :] ← beta·table[v, :] + Σ_{n: indices[n] = v} x[n, :]</c>, in O(N·P), and O(V·P) unless beta is 1.</summary>
    /// <remarks>Rows are added one after another in the order of n, in float32. Error: <c>γ(K + 1)·(|beta·table| + Σ|x|)</c> for a row
    /// with K terms.</remarks>
    /// <param name="x">[N, P].</param>
    /// <param name="indices">[N].</param>
    /// <param name="beta">0 to overwrite, whatever was there.</param>
    /// <param name="table">[V, P].</param>
    public static void ScatterAdd(DeviceStream stream, MatrixView<float> x, VectorView<int> indices, float beta, MatrixView<float> table)
    {
        IRowGatherKernel kernel = Kernel(stream, table, indices, x, nameof(x));
        Check.NoOverlap(table, x, nameof(table), nameof(x));
        Check.NoOverlap(table, indices.AsMatrix(1, indices.Length), nameof(table), nameof(indices));
        Check.Finite(beta);
        kernel.ScatterAdd(x, indices, beta, table);
    }

    private static IRowGatherKernel Kernel(
        DeviceStream stream, MatrixView<float> table, VectorView<int> indices, MatrixView<float> rows, string name)
    {
        IRowGatherKernel kernel = Check.Kernel(stream, static kernels => kernels.RowGather, nameof(RowGather));
        Check.View(stream, table, nameof(table));
        Check.View(stream, indices, nameof(indices));
        Check.View(stream, rows, name);
        Check.Shape(rows, indices.Length, table.Columns, name);
        return kernel;
    }
}

/// <summary>A device's implementation of <see cref="RowGather"/>.</summary>
internal interface IRowGatherKernel
{
    void Gather(MatrixView<float> table, VectorView<int> indices, MatrixView<float> y);

    void ScatterAdd(MatrixView<float> x, VectorView<int> indices, float beta, MatrixView<float> table);
}
