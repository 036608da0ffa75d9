using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>How vectors are cut into groups that are solved on their own.</summary>
internal static class PackedSolve
{
    /// <summary>Vectors of a group: of width 1000, 420 kB of a second-level cache.</summary>
    public const int MostVectors = 104;

    /// <summary>Vectors that a group is filled up to: half of the highest tile.</summary>
    public const int VectorUnit = 4;
}

/// <summary>Solves with a packed Cholesky factor for a group of vectors, the rows of V: <c>V ← V·L⁻ᵀ·L⁻¹</c>.</summary>
/// <remarks>
/// Forward by block columns of Lᵀ from the first to the last, <c>Y_j = (V_j − Σ_{i&lt;j} Y_i·(Lᵀ)_ij)·D_jᵀ</c>, then
/// backward by those of L from the last to the first, <c>Z_j = (Y_j − Σ_{i&gt;j} Z_i·L_ij)·D_j</c>. A group is copied to
/// memory of its own with whole tiles and blocks, so that there are no edges; nothing is packed, since the factor lies as the
/// register tile reads it. A tile's rows meet a block column while it is in the second-level cache, and groups are solved without
/// waiting for each other.
/// <para>
/// Measured on two threads of an AMD EPYC with AVX-512: six factors of width 1000 applied to 100 rows each take 3.4 to 3.7 ms, as a
/// product with the inverse does, and factoring six takes 7.5 to 8.5 ms where inverting takes 16.6 to 18.5. 96 rows take 3.1 ms,
/// since a half tile costs nearly a whole one. A depth of 192 with the block column outermost gained nothing.
/// </para>
/// </remarks>
internal readonly unsafe struct PackedSolve<TTile>
    where TTile : struct, IGemmTile
{
    /// <summary>Steps of k that are accumulated in registers.</summary>
    private const int Depth = 8 * Block;

    private const int Block = CholeskySolve.Block;

    private readonly PackedFactor _factor;
    private readonly float* _vectors;
    private readonly long _stride;

    /// <param name="memory"><see cref="ScratchBytes"/> bytes.</param>
    public PackedSolve(PackedFactor factor, void* memory)
    {
        _factor = factor;
        _vectors = (float*)memory;
        _stride = Stride(factor.Rows);
    }

    /// <summary>Memory for a group.</summary>
    public static long ScratchBytes(PackedFactor factor, int vectors) => PaddedVectors(vectors) * Stride(factor.Rows) * sizeof(float);

    /// <summary>Solves for V of [vectors, n].</summary>
    /// <param name="v">With adjacent columns, or with adjacent rows.</param>
    /// <param name="result">Alike; may be V.</param>
    public void Run<TSimd, TVector>(int vectors, StridedMatrix v, StridedMatrix result)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int n = _factor.Size;
        ClearPadding(vectors);
        var group = new StridedMatrix(_vectors, _stride, 1);
        Copy<TSimd, TVector>(vectors, n, v, group);
        Solve((int)PaddedVectors(vectors));
        Copy<TSimd, TVector>(vectors, n, group, result);
    }

    /// <summary>Elements between vectors: rows of a tile don't meet in the same set of the first-level cache.</summary>
    private static long Stride(int rows) => rows + 16;

    private static long PaddedVectors(int vectors) => (vectors + PackedSolve.VectorUnit - 1) / PackedSolve.VectorUnit * PackedSolve.VectorUnit;

    /// <summary>Zeros beside and below the vectors.</summary>
    private void ClearPadding(int vectors)
    {
        for (long row = 0; row < PaddedVectors(vectors); row++)
        {
            int first = row < vectors ? _factor.Size : 0;
            new Span<float>(_vectors + (row * _stride) + first, (int)_stride - first).Clear();
        }
    }

    private static void Copy<TSimd, TVector>(int rows, int columns, StridedMatrix from, StridedMatrix to)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        if (to.ColumnStride != 1)
        {
            (rows, columns, from, to) = (columns, rows, from.Transposed, to.Transposed);
        }

        if (from.ColumnStride != 1)
        {
            PanelTranspose<TSimd, TVector>.Run((float*)to.Data, to.RowStride, rows, columns, from);
            return;
        }

        for (int row = 0; row < rows; row++)
        {
            new ReadOnlySpan<float>(from.At(row, 0), columns).CopyTo(new Span<float>(to.At(row, 0), columns));
        }
    }

    private void Solve(int vectors)
    {
        for (int block = 0; block < _factor.Blocks; block++)
        {
            float* column = _factor.Forward(block);
            int steps = block * Block;
            LinesAhead ahead = block + 1 < _factor.Blocks
                ? Ahead(_factor.Forward(block + 1), block + 2, vectors, block + 1)
                : Ahead(_factor.Backward(block), 1, vectors, block + 1);
            SolveBlock(vectors, block, 0, steps, column, column + (steps * Block), ref ahead);
        }

        for (int block = _factor.Blocks - 1; block >= 0; block--)
        {
            float* column = _factor.Backward(block);
            int first = (block + 1) * Block;
            int solved = _factor.Blocks - block;
            LinesAhead ahead = block > 0 ? Ahead(_factor.Backward(block - 1), solved + 1, vectors, solved) : Ahead(column, 0, vectors, solved);
            SolveBlock(vectors, block, first, _factor.Rows - first, column + (Block * Block), column, ref ahead);
        }
    }

    /// <summary>The block column that comes next, to be fetched during the products with this one.</summary>
    /// <param name="blocks">Of the next column; 0 where there is none.</param>
    /// <param name="blocksNow">Of this one.</param>
    private static LinesAhead Ahead(float* column, int blocks, int vectors, int blocksNow)
    {
        long tiles = (vectors + TTile.Rows - 1) / TTile.Rows * (Block / TTile.Columns);
        return new LinesAhead(new StridedMatrix(column, Block, 1), blocks * Block, Block, tiles * blocksNow * Block);
    }

    /// <summary>One block of all vectors: less the products with what is solved, times the inverse of the diagonal block.</summary>
    /// <param name="first">The first solved element of the vectors.</param>
    /// <param name="steps">Solved elements.</param>
    [SkipLocalsInit]
    private void SolveBlock(int vectors, int block, int first, int steps, float* column, float* diagonal, ref LinesAhead ahead)
    {
        float* sums = stackalloc float[TTile.Rows * Block];
        for (int row = 0; row < vectors; row += TTile.Rows)
        {
            int rows = Math.Min(TTile.Rows, vectors - row);
            float* vector = _vectors + (row * _stride);
            float* target = vector + (block * Block);
            for (int start = 0; start < steps; start += Depth)
            {
                int depth = Math.Min(Depth, steps - start);
                Multiply(rows, depth, vector + first + start, _stride, column + (start * Block), new TileTarget(-1, 1, target, _stride), ref ahead);
            }

            for (int i = 0; i < rows; i++)
            {
                new ReadOnlySpan<float>(target + (i * _stride), Block).CopyTo(new Span<float>(sums + (i * Block), Block));
            }

            Multiply(rows, Block, sums, Block, diagonal, new TileTarget(1, 0, target, _stride), ref ahead);
        }
    }

    /// <summary>A tile of the product with a block column B.</summary>
    /// <param name="rows">Rows of the tile or half of them.</param>
    private static void Multiply(int rows, int k, float* a, long strideA, float* b, in TileTarget target, ref LinesAhead ahead)
    {
        for (int j = 0; j < Block; j += TTile.Columns)
        {
            var part = new TileTarget(target.Alpha, target.Beta, target.C + j, target.Ldc);
            TTile.MultiplyRowsFetching(rows, 3, k, a, strideA, b + j, Block, part, ref ahead);
        }
    }
}
