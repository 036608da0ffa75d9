namespace KFac.Kernels.Cpu;

/// <summary><see cref="Reduction.ColumnSum"/> on the CPU.</summary>
/// <remarks>A tile is as wide as the matrix where that is not too wide, and is read as it lies in memory, four rows at a time; its
/// float64 sums stay in the first-level cache. A column's elements are added in order within a tile and tiles in order, so
/// neither threads nor the width of vectors change a bit. Reading two cache lines of every row, column after column, ran
/// at half the speed.</remarks>
internal static unsafe class CpuColumnSum
{
    // Rows of a tile at the least: what its sums cost in memory is small beside what it reads.
    private const int LeastRows = 128;
    private const int RowsAtOnce = 4;
    private const int Sums = IWideSums<WideSums128>.Count;

    public static void Run(CpuDevice device, MatrixView<float> x, float alpha, float beta, VectorView<float> row)
    {
        var grid = new TileGrid(x.Rows, x.Columns, CpuReduction.GrainOf(x), LeastRows);
        int down = grid.Across == 0 ? 0 : grid.Tiles / grid.Across;
        using ScratchLease lease = device.Scratch.Rent((long)down * x.Columns * sizeof(double));
        double* partial = lease.As<double>();
        var context = new Context(x, grid, partial);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Tile<WideSums512>,
            VectorWidth.Avx2 => &Tile<WideSums256>,
            _ => &Tile<WideSums128>,
        };
        device.Workers.Run(grid.Tiles, body, &context);
        for (int tile = 1; tile < down; tile++)
        {
            double* sums = partial + ((long)tile * x.Columns);
            for (int j = 0; j < x.Columns; j++)
            {
                partial[j] += sums[j];
            }
        }

        for (int j = 0; j < x.Columns; j++)
        {
            double sum = down == 0 ? 0 : partial[j];
            double old = beta == 0 ? 0 : (double)beta * row.Pointer[j];
            row.Pointer[j] = (float)((alpha * sum) + old);
        }
    }

    private static void Tile<TSums>(void* pointer, int task)
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref Context c = ref *(Context*)pointer;
        TileGrid.Tile tile = c.Grid[task];
        double* partial = c.Partial + ((task / c.Grid.Across * c.Columns) + tile.Column);
        new Span<double>(partial, tile.Columns).Clear();
        long row = tile.FirstRow;
        for (; row + RowsAtOnce <= tile.EndRow; row += RowsAtOnce)
        {
            AddRows<TSums>(c.X(row) + tile.Column, c.X(row + 1) - c.X(row), partial, tile.Columns);
        }

        for (; row < tile.EndRow; row++)
        {
            AddRow<TSums>(c.X(row) + tile.Column, partial, tile.Columns);
        }
    }

    /// <summary><c>sums ← sums + x</c> for every one of <see cref="RowsAtOnce"/> rows, which are read as they lie in memory.</summary>
    private static void AddRows<TSums>(float* x, long stride, double* sums, int columns)
        where TSums : unmanaged, IWideSums<TSums>
    {
        int j = 0;
        for (; j + Sums <= columns; j += Sums)
        {
            TSums wide = *(TSums*)(sums + j);
            TSums.Add(ref wide, x + j);
            TSums.Add(ref wide, x + stride + j);
            TSums.Add(ref wide, x + (2 * stride) + j);
            TSums.Add(ref wide, x + (3 * stride) + j);
            *(TSums*)(sums + j) = wide;
        }

        for (; j < columns; j++)
        {
            sums[j] = sums[j] + x[j] + x[stride + j] + x[(2 * stride) + j] + x[(3 * stride) + j];
        }
    }

    private static void AddRow<TSums>(float* x, double* sums, int columns)
        where TSums : unmanaged, IWideSums<TSums>
    {
        int j = 0;
        for (; j + Sums <= columns; j += Sums)
        {
            TSums wide = *(TSums*)(sums + j);
            TSums.Add(ref wide, x + j);
            *(TSums*)(sums + j) = wide;
        }

        for (; j < columns; j++)
        {
            sums[j] += x[j];
        }
    }

    private readonly struct Context(MatrixView<float> x, TileGrid grid, double* partial)
    {
        public readonly TileGrid Grid = grid;
        public readonly double* Partial = partial;
        public readonly long Columns = x.Columns;
        private readonly float* _x = x.Pointer;
        private readonly long _xStride = x.RowStride;

        public float* X(long row) => _x + (row * _xStride);
    }
}
