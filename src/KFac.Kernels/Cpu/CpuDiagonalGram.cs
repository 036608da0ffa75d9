using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="DiagonalGram"/> on the CPU: x is read once, along its rows.</summary>
/// <remarks>
/// The matrix is cut into tiles by its shape. A tile adds squares in float32 to one row of sums that stays in the first-level
/// cache, eight rows at a time so that the sums are loaded and stored once for eight; tiles are added in float64.
/// One-hot rows are counted on one thread: a row costs one increment.
/// </remarks>
internal sealed unsafe class CpuDiagonalGram(CpuDevice device) : IDiagonalGramKernel
{
    private const int Grain = 64 * 1024;

    /// <summary>Bounds the number of float32 additions to one sum.</summary>
    private const int MostRows = 512;

    private const int LeastRows = 64;
    private const int RowsAtOnce = 8;

    public void Expand(MatrixView<float> x, float alpha, float beta, VectorView<float> diagonal)
    {
        var grid = new TileGrid(x.Rows, x.Columns, (int)Math.Clamp((long)MostRows * x.Columns, MostRows, Grain), LeastRows);
        int down = grid.Across == 0 ? 0 : grid.Tiles / grid.Across;
        using ScratchLease lease = device.Scratch.Rent((long)down * x.Columns * sizeof(float));
        float* sums = lease.As<float>();
        var context = new Context(x, grid, sums);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &SquareTile<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &SquareTile<Simd256, Vector256<float>>,
            _ => &SquareTile<Simd128, Vector128<float>>,
        };
        device.Workers.Run(grid.Tiles, body, &context);
        for (int j = 0; j < x.Columns; j++)
        {
            double sum = 0;
            for (int tile = 0; tile < down; tile++)
            {
                sum += sums[((long)tile * x.Columns) + j];
            }

            Finish(sum, alpha, beta, diagonal.Pointer + j);
        }
    }

    public void OneHot(
        VectorView<int> ids, int sharing, SegmentOffsets? offsets, SharingScale scale, float alpha, float beta, VectorView<float> diagonal)
    {
        int width = diagonal.Length;
        using ScratchLease sumLease = device.Scratch.Rent((long)width * sizeof(double));
        using ScratchLease countLease = device.Scratch.Rent((long)width * sizeof(int));
        var sums = new Span<double>(sumLease.As<double>(), width);
        var counts = new Span<int>(countLease.As<int>(), width);
        sums.Clear();
        counts.Clear();
        var all = new ReadOnlySpan<int>(ids.Pointer, ids.Length);
        int examples = offsets?.Segments ?? all.Length / sharing;
        for (int n = 0; n < examples; n++)
        {
            int first = offsets is null ? n * sharing : offsets.Host[n];
            int end = offsets is null ? first + sharing : offsets.Host[n + 1];
            double factor = CpuSegmentReduce.Factor(scale, end - first);
            AddExample(all[first..end], factor * factor, counts, sums);
        }

        for (int v = 0; v < width; v++)
        {
            Finish(sums[v], alpha, beta, diagonal.Pointer + v);
        }
    }

    /// <summary>Adds the squares of one example's counts; the counts are zero before and after.</summary>
    private static void AddExample(ReadOnlySpan<int> ids, double weight, Span<int> counts, Span<double> sums)
    {
        foreach (int id in ids)
        {
            if ((uint)id < (uint)counts.Length)
            {
                counts[id]++;
            }
        }

        foreach (int id in ids)
        {
            if ((uint)id < (uint)counts.Length)
            {
                double count = counts[id];
                sums[id] += weight * count * count;
                counts[id] = 0;
            }
        }
    }

    private static void Finish(double sum, float alpha, float beta, float* destination)
    {
        double old = beta == 0 ? 0 : (double)beta * *destination;
        *destination = (float)((alpha * sum) + old);
    }

    private static void SquareTile<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        TileGrid.Tile tile = c.Grid[task];
        float* sums = c.Sums + (task / c.Grid.Across * c.Columns) + tile.Column;
        new Span<float>(sums, tile.Columns).Clear();
        long row = tile.FirstRow;
        for (; row + RowsAtOnce <= tile.EndRow; row += RowsAtOnce)
        {
            AddEightRows<TSimd, TVector>(c.X + (row * c.Stride) + tile.Column, c.Stride, sums, tile.Columns);
        }

        for (; row < tile.EndRow; row++)
        {
            AddRow<TSimd, TVector>(c.X + (row * c.Stride) + tile.Column, sums, tile.Columns);
        }
    }

    private static void AddEightRows<TSimd, TVector>(float* x, long stride, float* sums, int columns)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int j = 0;
        for (; j + TSimd.Count <= columns; j += TSimd.Count)
        {
            TVector sum = TSimd.Load(sums + j);
            float* at = x + j;
            for (int i = 0; i < RowsAtOnce; i++, at += stride)
            {
                TVector value = TSimd.Load(at);
                sum = TSimd.MultiplyAdd(value, value, sum);
            }

            TSimd.Store(sum, sums + j);
        }

        for (int i = 0; i < RowsAtOnce && j < columns; i++)
        {
            AddRow<TSimd, TVector>(x + (i * stride) + j, sums + j, columns - j);
        }
    }

    private static void AddRow<TSimd, TVector>(float* x, float* sums, int columns)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int j = 0;
        for (; j + TSimd.Count <= columns; j += TSimd.Count)
        {
            TVector value = TSimd.Load(x + j);
            TSimd.Store(TSimd.MultiplyAdd(value, value, TSimd.Load(sums + j)), sums + j);
        }

        if (j < columns)
        {
            TVector value = TSimd.LoadPartial(x + j, columns - j);
            TVector sum = TSimd.MultiplyAdd(value, value, TSimd.LoadPartial(sums + j, columns - j));
            TSimd.StorePartial(sum, sums + j, columns - j);
        }
    }

    private readonly struct Context(MatrixView<float> x, TileGrid grid, float* sums)
    {
        public readonly TileGrid Grid = grid;
        public readonly float* Sums = sums;
        public readonly long Columns = x.Columns;
        public readonly float* X = x.Pointer;
        public readonly long Stride = x.RowStride;
    }
}
