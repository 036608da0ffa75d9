using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Reduction"/> on the CPU.</summary>
/// <remarks>
/// The matrix is cut into tiles by its shape. A tile keeps sixteen float64 sums, element (i, j) going to sum j mod 16
/// counted from the tile's edge, and one for what is left at the ends of rows; it adds them in order at its end, and the
/// tiles' results are added in order. Neither the number of threads nor the width of the vectors changes a bit.
/// </remarks>
internal sealed unsafe class CpuReduction(CpuDevice device) : IReductionKernel
{
    private const int Grain = 32 * 1024;

    // Elements of a tile of a large matrix, and how many tiles make it large: every tile is a stretch of memory that the processor
    // has to find and fetch ahead anew.
    private const int LargeGrain = 256 * 1024;
    private const int TilesOfLarge = 16;

    private const int Block = 64;
    private const int Sums = IWideSums<WideSums128>.Count;

    /// <summary>Elements a tile, by the matrix' shape.</summary>
    public static int GrainOf(MatrixView<float> x) =>
        (int)Math.Clamp((long)x.Rows * x.Columns / TilesOfLarge, Grain, LargeGrain);

    public void Sum(MatrixView<float> x, VectorView<double> result)
    {
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &SumTile<WideSums512>,
            VectorWidth.Avx2 => &SumTile<WideSums256>,
            _ => &SumTile<WideSums128>,
        };
        AddTiles(x, x, body, result);
    }

    public void Dot(MatrixView<float> x, MatrixView<float> y, VectorView<double> result)
    {
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &DotTile<WideSums512>,
            VectorWidth.Avx2 => &DotTile<WideSums256>,
            _ => &DotTile<WideSums128>,
        };
        AddTiles(x, y, body, result);
    }

    public void Trace(MatrixView<float> x, VectorView<double> result)
    {
        double sum = 0;
        for (long i = 0; i < x.Rows; i++)
        {
            sum += x.Pointer[i * (x.RowStride + 1L)];
        }

        *result.Pointer = sum;
    }

    public void MaxAsymmetry(MatrixView<float> x, VectorView<double> result)
    {
        int blocks = (x.Rows + Block - 1) / Block;
        using ScratchLease lease = device.Scratch.Rent(blocks * sizeof(double));
        double* partial = lease.As<double>();
        var context = new Context(x, x, default, partial);
        device.Workers.Run(blocks, &AsymmetryOfBlockRow, &context);
        double maximum = 0;
        for (int i = 0; i < blocks; i++)
        {
            maximum = Math.Max(maximum, partial[i]);
        }

        *result.Pointer = maximum;
    }

    public void ColumnSum(MatrixView<float> x, float alpha, float beta, VectorView<float> row) =>
        CpuColumnSum.Run(device, x, alpha, beta, row);

    public void RowDot(MatrixView<float> x, MatrixView<float> y, float alpha, VectorView<float> result) =>
        CpuRowDot.Run(device, x, y, alpha, result);

    public void FirstNonFinite(MatrixView<float> x, VectorView<long> result)
    {
        var grid = new TileGrid(x.Rows, x.Columns, GrainOf(x));
        using ScratchLease lease = device.Scratch.Rent((long)grid.Tiles * sizeof(long));
        long* first = lease.As<long>();
        var context = new Context(x, x, grid, first);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &NonFiniteTile<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &NonFiniteTile<Simd256, Vector256<float>>,
            _ => &NonFiniteTile<Simd128, Vector128<float>>,
        };
        device.Workers.Run(grid.Tiles, body, &context);
        long found = Reduction.None;
        for (int tile = 0; tile < grid.Tiles; tile++)
        {
            bool earlier = first[tile] != Reduction.None && (found == Reduction.None || first[tile] < found);
            found = earlier ? first[tile] : found;
        }

        *result.Pointer = found;
    }

    public void CountCorrect(MatrixView<float> scores, VectorView<int> labels, VectorView<long> result)
    {
        int tasks = RowTasks.Count(scores.Rows, scores.Columns);
        using ScratchLease lease = device.Scratch.Rent((long)tasks * sizeof(long));
        long* correct = lease.As<long>();
        var context = new Context(scores, scores, default, correct) { Labels = labels.Pointer };
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &CountCorrectRows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &CountCorrectRows<Simd256, Vector256<float>>,
            _ => &CountCorrectRows<Simd128, Vector128<float>>,
        };
        device.Workers.Run(tasks, body, &context);
        long total = 0;
        for (int task = 0; task < tasks; task++)
        {
            total += correct[task];
        }

        *result.Pointer = total;
    }

    private void AddTiles(MatrixView<float> x, MatrixView<float> y, delegate*<void*, int, void> body, VectorView<double> result)
    {
        var grid = new TileGrid(x.Rows, x.Columns, GrainOf(x));
        using ScratchLease lease = device.Scratch.Rent((long)grid.Tiles * sizeof(double));
        double* partial = lease.As<double>();
        var context = new Context(x, y, grid, partial);
        device.Workers.Run(grid.Tiles, body, &context);
        double sum = 0;
        for (int tile = 0; tile < grid.Tiles; tile++)
        {
            sum += partial[tile];
        }

        *result.Pointer = sum;
    }

    private static void SumTile<TSums>(void* pointer, int task)
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref Context c = ref *(Context*)pointer;
        TileGrid.Tile tile = c.Grid[task];
        TSums sums = default;
        double rest = 0;
        for (long row = tile.FirstRow; row < tile.EndRow; row++)
        {
            float* x = c.X(row) + tile.Column;
            int j = 0;
            for (; j + Sums <= tile.Columns; j += Sums)
            {
                TSums.Add(ref sums, x + j);
            }

            for (; j < tile.Columns; j++)
            {
                rest += x[j];
            }
        }

        ((double*)c.Partial)[task] = Total(sums, rest);
    }

    private static void DotTile<TSums>(void* pointer, int task)
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref Context c = ref *(Context*)pointer;
        TileGrid.Tile tile = c.Grid[task];
        TSums sums = default;
        double rest = 0;
        for (long row = tile.FirstRow; row < tile.EndRow; row++)
        {
            float* x = c.X(row) + tile.Column;
            float* y = c.Y(row) + tile.Column;
            int j = 0;
            for (; j + Sums <= tile.Columns; j += Sums)
            {
                TSums.AddProduct(ref sums, x + j, y + j);
            }

            for (; j < tile.Columns; j++)
            {
                rest += (double)x[j] * y[j];
            }
        }

        ((double*)c.Partial)[task] = Total(sums, rest);
    }

    // Takes a copy, so that the loops' sums, whose address nobody takes, stay in registers.
    private static double Total<TSums>(TSums sums, double total)
        where TSums : unmanaged, IWideSums<TSums>
    {
        for (int i = 0; i < Sums; i++)
        {
            total += ((double*)&sums)[i];
        }

        return total;
    }

    // Block row b compares blocks (b, 0) to (b, b) with their mirror images; both fit in the first-level cache.
    private static void AsymmetryOfBlockRow(void* pointer, int task)
    {
        ref Context c = ref *(Context*)pointer;
        int end = Math.Min((task + 1) * Block, c.Rows);
        double maximum = 0;
        for (int column = 0; column < end; column += Block)
        {
            for (int i = task * Block; i < end; i++)
            {
                float* row = c.X(i);
                int last = Math.Min(column + Block - 1, i);
                for (int j = column; j <= last; j++)
                {
                    maximum = Math.Max(maximum, Math.Abs((double)row[j] - c.X(j)[i]));
                }
            }
        }

        ((double*)c.Partial)[task] = maximum;
    }

    private static void NonFiniteTile<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        TileGrid.Tile tile = c.Grid[task];
        long* found = (long*)c.Partial + task;
        *found = Reduction.None;
        for (long row = tile.FirstRow; row < tile.EndRow; row++)
        {
            float* x = c.X(row) + tile.Column;
            if (!SimdRow<TSimd, TVector>.AllFinite(x, tile.Columns))
            {
                int j = 0;
                while (float.IsFinite(x[j]))
                {
                    j++;
                }

                *found = (row * c.Columns) + tile.Column + j;
                return;
            }
        }
    }

    private static void CountCorrectRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, (int)c.Columns);
        long correct = 0;
        for (int row = first; row < end; row++)
        {
            float* scores = c.X(row);
            float maximum = SimdRow<TSimd, TVector>.Max(scores, (int)c.Columns);
            int best = new ReadOnlySpan<float>(scores, (int)c.Columns).IndexOf(maximum);
            correct += best == c.Labels[row] && !float.IsNaN(maximum) && best >= 0 ? 1 : 0;
        }

        ((long*)c.Partial)[task] = correct;
    }

    private struct Context(MatrixView<float> x, MatrixView<float> y, TileGrid grid, void* partial)
    {
        public readonly TileGrid Grid = grid;
        public readonly void* Partial = partial;
        public readonly int Rows = x.Rows;
        public readonly long Columns = x.Columns;
        public int* Labels;
        private readonly float* _x = x.Pointer;
        private readonly long _xStride = x.RowStride;
        private readonly float* _y = y.Pointer;
        private readonly long _yStride = y.RowStride;

        public readonly float* X(long row) => _x + (row * _xStride);

        public readonly float* Y(long row) => _y + (row * _yStride);
    }
}
