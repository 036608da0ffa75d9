namespace KFac.Kernels.Cpu;

/// <summary><see cref="Reduction.ColumnSum"/> on the CPU.</summary>
/// <remarks>A tile is as wide as the matrix where that is not too wide, and is read as it lies in memory, row after row; its
/// float64 sums stay in the first-level cache. A column's elements are added in order within a tile and tiles in order, so
/// neither threads nor the width of vectors change a bit. Reading two cache lines of every row, column after column, ran
/// at half the speed. Four rows at a time, which spares loads and stores of the sums, took 1.70 to 1.77 ms where this took 1.33 to 1.51
/// (64 MiB, alternating).</remarks>
internal static unsafe class CpuColumnSum
{
    // Rows of a tile at the least: what its sums cost in memory is small beside what it reads.
    private const int LeastRows = 128;
    private const int Sums = IWideSums<WideSums128>.Count;

    public static void Run(CpuDevice device, MatrixView<float> x, float alpha, float beta, VectorView<float> row) =>
        Run(device, x.Pointer, x.Rows, x.Columns, x.RowStride, alpha, beta, row.Pointer);

    /// <summary>The same on plain memory, for sums that other kernels leave in parts.</summary>
    public static void Run(CpuDevice device, float* x, int rows, int columns, long stride, float alpha, float beta, float* row)
    {
        var grid = new TileGrid(rows, columns, CpuReduction.Grain((long)rows * columns), LeastRows);
        int down = grid.Across == 0 ? 0 : grid.Tiles / grid.Across;
        using ScratchLease lease = device.Scratch.Rent((long)down * columns * sizeof(double));
        double* partial = lease.As<double>();
        var context = new Context(x, stride, columns, grid, partial);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Tile<WideSums512>,
            VectorWidth.Avx2 => &Tile<WideSums256>,
            _ => &Tile<WideSums128>,
        };
        device.Workers.Run(grid.Tiles, body, &context);
        for (int tile = 1; tile < down; tile++)
        {
            double* sums = partial + ((long)tile * columns);
            for (int j = 0; j < columns; j++)
            {
                partial[j] += sums[j];
            }
        }

        for (int j = 0; j < columns; j++)
        {
            double sum = down == 0 ? 0 : partial[j];
            double old = beta == 0 ? 0 : (double)beta * row[j];
            row[j] = (float)((alpha * sum) + old);
        }
    }

    private static void Tile<TSums>(void* pointer, int task)
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref Context c = ref *(Context*)pointer;
        TileGrid.Tile tile = c.Grid[task];
        double* partial = c.Partial + ((task / c.Grid.Across * c.Columns) + tile.Column);
        new Span<double>(partial, tile.Columns).Clear();
        for (long row = tile.FirstRow; row < tile.EndRow; row++)
        {
            AddRow<TSums>(c.X(row) + tile.Column, partial, tile.Columns);
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

    private readonly struct Context(float* x, long stride, long columns, TileGrid grid, double* partial)
    {
        public readonly TileGrid Grid = grid;
        public readonly double* Partial = partial;
        public readonly long Columns = columns;

        public float* X(long row) => x + (row * stride);
    }
}
