using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>Runs an <see cref="IElementMap"/> over matrices on the device's threads.</summary>
/// <remarks>
/// All operands have the same columns. An operand with fewer rows than the others repeats: row i of the loop is its row
/// <c>i mod rows</c>, which makes one row a broadcast and serves several seeds stacked over one input. Operands without
/// gaps are joined to long rows. The matrix is cut into tiles of about as many elements each, one a task.
/// </remarks>
internal static unsafe class ElementLoop
{
    /// <summary>Elements a task: enough to be worth waking a thread for, few enough to stay in the second-level cache.</summary>
    private const int Grain = 16 * 1024;

    // Elements of a task of a large matrix, and how many tasks make it large: every task is a stretch of memory that the processor
    // has to find and fetch ahead anew. Filling 64 MiB in tasks of 64 KiB took 4% longer than in tasks of 1 MiB.
    private const int LargeGrain = 256 * 1024;
    private const int TasksOfLarge = 64;

    /// <summary>Bytes of an operand that no cache keeps until somebody reads them; one that is only written then goes past the
    /// caches, which saves reading the lines that it overwrites.</summary>
    private const long BytesPastCaches = 32 << 20;

    public static void Run<TMap>(
        CpuDevice device,
        TMap map,
        VectorView<float> x0,
        VectorView<float> x1 = default,
        VectorView<float> x2 = default,
        VectorView<float> x3 = default)
        where TMap : unmanaged, IElementMap =>
        Run(device, map, Row(x0), Row(x1), Row(x2), Row(x3));

    public static void Run<TMap>(
        CpuDevice device,
        TMap map,
        MatrixView<float> x0,
        MatrixView<float> x1 = default,
        MatrixView<float> x2 = default,
        MatrixView<float> x3 = default)
        where TMap : unmanaged, IElementMap
    {
        int rows = Math.Max(Math.Max(x0.Rows, x1.Rows), Math.Max(x2.Rows, x3.Rows));
        if (rows == 0 || x0.Columns == 0)
        {
            return;
        }

        var loop = new Loop<TMap>(map, new Operand(x0), new Operand(x1), new Operand(x2), new Operand(x3), rows, x0.Columns);
        loop.Join();
        loop.Grid = new TileGrid(loop.Rows, loop.Columns, GrainOf(loop.Rows * loop.Columns));
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Tile<TMap, Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Tile<TMap, Simd256, Vector256<float>>,
            _ => &Tile<TMap, Simd128, Vector128<float>>,
        };
        device.Workers.Run(loop.Grid.Tiles, body, &loop);
    }

    /// <summary>Whether rows of an operand that is only written should go past the caches, as
    /// <see cref="ElementSpan{TMap, TSimd, TVector}.ApplyStreaming"/> does.</summary>
    public static bool GoesPast<TVector>(float* start, long stride, int rows, int columns)
        where TVector : unmanaged =>
        IsBeyondCaches((long)rows * columns)
        && (nuint)start % (nuint)sizeof(TVector) == 0 && stride * sizeof(float) % sizeof(TVector) == 0;

    /// <summary>Whether no cache keeps as many elements until somebody reads them.</summary>
    public static bool IsBeyondCaches(long elements) => elements * sizeof(float) >= BytesPastCaches;

    private static int GrainOf(long elements) => (int)Math.Clamp(elements / TasksOfLarge, Grain, LargeGrain);

    private static MatrixView<float> Row(VectorView<float> x) => x.IsEmpty ? default : x.AsMatrix(1, x.Length);

    private static void Tile<TMap, TSimd, TVector>(void* context, int task)
        where TMap : unmanaged, IElementMap
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Loop<TMap> loop = ref *(Loop<TMap>*)context;
        TileGrid.Tile tile = loop.Grid[task];
        bool past = (TMap.Stores & ~TMap.Loads) != 0 && IsBeyondCaches(loop.Rows * loop.Columns);
        for (long row = tile.FirstRow; row < tile.EndRow; row++)
        {
            long column = tile.Column;
            float* x0 = loop.X0.At(row, column), x1 = loop.X1.At(row, column), x2 = loop.X2.At(row, column), x3 = loop.X3.At(row, column);
            if (past && IsWritable<TMap>(1, x0, sizeof(TVector)) && IsWritable<TMap>(2, x1, sizeof(TVector))
                && IsWritable<TMap>(4, x2, sizeof(TVector)) && IsWritable<TMap>(8, x3, sizeof(TVector)))
            {
                ElementSpan<TMap, TSimd, TVector>.ApplyStreaming(loop.Map, x0, x1, x2, x3, tile.Columns);
            }
            else
            {
                ElementSpan<TMap, TSimd, TVector>.Apply(loop.Map, x0, x1, x2, x3, tile.Columns);
            }
        }
    }

    /// <summary>Whether an operand, if it is only written, starts at a vector's boundary.</summary>
    private static bool IsWritable<TMap>(int operand, float* x, int alignment)
        where TMap : unmanaged, IElementMap =>
        (TMap.Stores & ~TMap.Loads & operand) == 0 || (nuint)x % (nuint)alignment == 0;

    private readonly struct Operand(float* start, long rows, long stride, long columns)
    {
        public Operand(MatrixView<float> view)
            : this(view.Pointer, view.Rows, view.Rows > 1 ? view.RowStride : view.Columns, view.Columns)
        {
        }

        public long Rows => rows;

        /// <summary>Takes no part, or can be read as rows of any whole multiple of its length.</summary>
        public bool HasNoGaps => rows == 0 || stride == columns;

        public Operand Join(long rowsToOne) => rows == 0 ? this : new Operand(start, rows / rowsToOne, stride * rowsToOne, columns * rowsToOne);

        public float* At(long row, long column) => start + ((rows <= 1 ? 0 : row % rows) * stride) + column;
    }

    private struct Loop<TMap>(TMap map, Operand x0, Operand x1, Operand x2, Operand x3, long rows, long columns)
        where TMap : unmanaged, IElementMap
    {
        public readonly TMap Map = map;
        public Operand X0 = x0;
        public Operand X1 = x1;
        public Operand X2 = x2;
        public Operand X3 = x3;
        public long Rows = rows;
        public long Columns = columns;
        public TileGrid Grid;

        /// <summary>Joins as many rows to one as the operand with the fewest has.</summary>
        public void Join()
        {
            if (!X0.HasNoGaps || !X1.HasNoGaps || !X2.HasNoGaps || !X3.HasNoGaps)
            {
                return;
            }

            long joined = Fewest(Fewest(Fewest(Fewest(Rows, X0), X1), X2), X3);
            (X0, X1, X2, X3) = (X0.Join(joined), X1.Join(joined), X2.Join(joined), X3.Join(joined));
            Rows /= joined;
            Columns *= joined;
        }

        private static long Fewest(long rows, Operand operand) => operand.Rows == 0 ? rows : Math.Min(rows, operand.Rows);
    }
}
