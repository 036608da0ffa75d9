namespace KFac.Kernels.Cpu;

/// <summary><see cref="Reduction.Sum"/> and <see cref="Reduction.Dot"/> on the CPU.</summary>
/// <remarks>
/// The matrix is cut into tiles by its shape. A tile keeps sixteen float64 sums, element (i, j) going to sum j mod 16
/// counted from the tile's edge, and one for what is left at the ends of rows; it adds them in a fixed order at its end, and the
/// tiles' results are added in order. Neither the number of threads nor the width of the vectors changes a bit.
/// </remarks>
internal static unsafe class CpuMatrixSum
{
    private const int Sums = IWideSums<WideSums128>.Count;

    public static void Sum(CpuDevice device, MatrixView<float> x, VectorView<double> result)
    {
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &SumTile<WideSums512>,
            VectorWidth.Avx2 => &SumTile<WideSums256>,
            _ => &SumTile<WideSums128>,
        };
        AddTiles(device, x, x, body, result);
    }

    public static void Dot(CpuDevice device, MatrixView<float> x, MatrixView<float> y, VectorView<double> result)
    {
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &DotTile<WideSums512>,
            VectorWidth.Avx2 => &DotTile<WideSums256>,
            _ => &DotTile<WideSums128>,
        };
        AddTiles(device, x, y, body, result);
    }

    private static void AddTiles(
        CpuDevice device, MatrixView<float> x, MatrixView<float> y, delegate*<void*, int, void> body, VectorView<double> result)
    {
        var grid = new TileGrid(x.Rows, x.Columns, CpuReduction.Grain((long)x.Rows * x.Columns));
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

        c.Partial[task] = rest + RowSums.Total(sums);
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

        c.Partial[task] = rest + RowSums.Total(sums);
    }

    private readonly struct Context(MatrixView<float> x, MatrixView<float> y, TileGrid grid, double* partial)
    {
        public readonly TileGrid Grid = grid;
        public readonly double* Partial = partial;
        private readonly float* _x = x.Pointer;
        private readonly long _xStride = x.RowStride;
        private readonly float* _y = y.Pointer;
        private readonly long _yStride = y.RowStride;

        public float* X(long row) => _x + (row * _xStride);

        public float* Y(long row) => _y + (row * _yStride);
    }
}
