using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>The product of matrices behind pointers, for kernels that are built from products: <c>C ← α·AB + β·C</c>.</summary>
/// <remarks>
/// <see cref="Multiply"/> runs on the calling thread, so it may be called from a task of a job;
/// <see cref="MultiplyParallel"/> spreads blocks of C over the device's workers, and must not be. Transposition is a swap
/// of strides (<see cref="StridedMatrix.Transposed"/>).
/// <para>
/// Blocking: up to <see cref="ColumnBlock"/> columns of B by <see cref="ProductDepth"/> steps are packed to stay in the second-level
/// cache, and all rows of A pass by in groups as high as a panel is wide; a group meets one panel after the other. Rows of A are
/// read where they lie, eight streams at a time; an A that lies column by column is packed group by group, and fetched ahead
/// by the tiles of the group before (4 to 11% of a weight gradient's time). The next block of B is fetched by tiles of rows that are
/// read where they lie (1 to 5% at 256×2304×2304). B's panels are packed
/// when the first group meets them, those of a B that lies row by row by the tile itself where A is packed. The terms of an element
/// are added in the order of k, within equal blocks of at most <see cref="ProductDepth"/>, whatever part of C is asked for, so
/// cutting C up differently changes no bit.
/// </para>
/// <para>
/// Measured on two cores of an AMD EPYC with AVX-512, shares of the FMA peak: 1024³ 90 to 92%, 512×1000×1000 NT 90%,
/// 100×1000×784 NT 84%. The roles the other way round (a block of A kept, panels of B passing, lines fetched ahead) gave 80, 75 and
/// 67%: packing A took 3% of the time, fetching ahead 4%, and B was packed once for every 480 rows. Depths of 192, 256 and 512 lose
/// 1 to 4% to 384; cutting C for the threads at whole panels lost another 2 to 4%.
/// </para>
/// </remarks>
internal static unsafe class GemmCore
{
    /// <summary>Steps of k that symmetric products accumulate in registers before C is updated.</summary>
    public const int DepthBlock = 256;

    /// <summary>Rows that symmetric products pack at a time; a multiple of every panel width.</summary>
    public const int RowBlock = 480;

    /// <summary>Columns of the widest tile's panels, a multiple of the others'.</summary>
    public const int WidestPanel = 48;

    /// <summary>Steps of k of a product that are accumulated in registers before C is updated.</summary>
    private const int ProductDepth = 384;

    /// <summary>Columns of B that are packed at a time; a multiple of every panel width.</summary>
    private const int ColumnBlock = 288;

    /// <summary>Steps of k between lines of B's next block that are fetched ahead; with fewer, as for 100 rows, fetching takes the time that
    /// it saves.</summary>
    private const int FewestStepsPerLine = 8;

    /// <summary>Rows and columns that C is cut at for the threads: a vector, so that shares are even.</summary>
    private const int TaskUnit = 16;

    /// <summary>Floating-point operations below which waking a worker costs more than it saves.</summary>
    public const double SerialLimit = 4e5;

    /// <summary>Scratch that <see cref="Multiply"/> needs, at a 64-byte boundary, and symmetric products too.</summary>
    public static long ScratchBytes =>
        Math.Max((RowBlock + WidestPanel) * DepthBlock, (ColumnBlock + WidestPanel) * ProductDepth) * sizeof(float);

    /// <summary>Computes the product on the calling thread.</summary>
    /// <param name="scratch"><see cref="ScratchBytes"/> bytes.</param>
    /// <param name="a">[m, k].</param>
    /// <param name="b">[k, n].</param>
    /// <param name="c">[m, n], rows <paramref name="ldc"/> elements apart; not read where <paramref name="beta"/> is 0.</param>
    public static void Multiply(
        VectorWidth vectors, void* scratch, int m, int n, int k, float alpha, StridedMatrix a, StridedMatrix b, float beta, float* c, long ldc)
    {
        if (k == 0 || alpha == 0)
        {
            Scale(m, n, beta, c, ldc);
            return;
        }

        switch (vectors)
        {
            case VectorWidth.Avx512:
                new Blocked<GemmTile512>((float*)scratch, m, n, k, alpha, a, b, beta, c, ldc).Multiply();
                break;
            case VectorWidth.Avx2:
                new Blocked<GemmTile4<Simd256, Vector256<float>>>((float*)scratch, m, n, k, alpha, a, b, beta, c, ldc).Multiply();
                break;
            default:
                new Blocked<GemmTile4<Simd128, Vector128<float>>>((float*)scratch, m, n, k, alpha, a, b, beta, c, ldc).Multiply();
                break;
        }
    }

    /// <summary>Computes the product on the device's workers; the bits are those of <see cref="Multiply"/>.</summary>
    public static void MultiplyParallel(
        CpuDevice device, int m, int n, int k, float alpha, StridedMatrix a, StridedMatrix b, float beta, float* c, long ldc)
    {
        var job = new Job(device, m, n, k, alpha, a, b, beta, c, ldc);
        (job.RowTasks, job.ColumnTasks) = 2.0 * m * n * k < SerialLimit ? (1, 1) : Grid(m, n, device.Workers.Threads);
        device.Workers.Run(job.RowTasks * job.ColumnTasks, &Job.Run, Unsafe.AsPointer(ref job));
    }

    /// <summary>Cuts C into at least as many blocks as there are threads such that the least is packed twice.</summary>
    private static (int Rows, int Columns) Grid(int m, int n, int threads)
    {
        int rowPanels = CeilingDivide(m, WidestPanel);
        int columnPanels = CeilingDivide(n, WidestPanel);
        (int Rows, int Columns) best = (Math.Min(threads, rowPanels), columnPanels);
        double least = double.PositiveInfinity;
        for (int rows = 1; rows <= Math.Min(threads, rowPanels); rows++)
        {
            int columns = Math.Min(CeilingDivide(threads, rows), columnPanels);
            double packed = ((double)rows * n) + ((double)columns * m);
            if (rows * columns >= Math.Min(threads, rowPanels * columnPanels) && packed < least)
            {
                least = packed;
                best = (rows, columns);
            }
        }

        return best;
    }

    /// <summary><c>C ← β·C</c>; C is not read where β is 0.</summary>
    public static void Scale(int m, int n, float beta, float* c, long ldc)
    {
        for (int i = 0; i < m; i++)
        {
            var row = new Span<float>(c + (i * ldc), n);
            if (beta == 0)
            {
                row.Clear();
            }
            else if (beta != 1)
            {
                foreach (ref float value in row)
                {
                    value *= beta;
                }
            }
        }
    }

    /// <summary>The size of equal parts, multiples of <paramref name="unit"/>, of which none exceeds <paramref name="most"/>, a
    /// multiple of it too.</summary>
    public static int EvenPart(int size, int most, int unit)
    {
        int parts = Math.Max(1, CeilingDivide(size, most));
        return Math.Max(unit, CeilingDivide(CeilingDivide(size, parts), unit) * unit);
    }

    private static int CeilingDivide(int value, int divisor) => (value + divisor - 1) / divisor;

    private struct Job(
        CpuDevice device, int m, int n, int k, float alpha, StridedMatrix a, StridedMatrix b, float beta, float* c, long ldc)
    {
        public int RowTasks;
        public int ColumnTasks;

        public static void Run(void* context, int task)
        {
            ref Job job = ref Unsafe.AsRef<Job>(context);
            job.RunBlock(task / job.ColumnTasks, task % job.ColumnTasks);
        }

        private readonly void RunBlock(int rowTask, int columnTask)
        {
            (int row, int rows) = Part(m, rowTask, RowTasks);
            (int column, int columns) = Part(n, columnTask, ColumnTasks);
            using ScratchLease lease = device.Scratch.Rent(ScratchBytes);
            Multiply(
                device.Vectors, lease.As<byte>(), rows, columns, k, alpha, a.From(row, 0), b.From(0, column), beta, c + (row * ldc) + column, ldc);
        }

        /// <summary>Part <paramref name="task"/> of <paramref name="size"/> cut at multiples of <see cref="TaskUnit"/>.</summary>
        private static (int Start, int Count) Part(int size, int task, int tasks)
        {
            int units = CeilingDivide(size, TaskUnit);
            int start = Math.Min(size, (int)((long)units * task / tasks) * TaskUnit);
            int end = Math.Min(size, (int)((long)units * (task + 1) / tasks) * TaskUnit);
            return (start, end - start);
        }
    }

    /// <summary>The product on one thread.</summary>
    private readonly struct Blocked<TTile>(
        float* scratch, int m, int n, int k, float alpha, StridedMatrix a, StridedMatrix b, float beta, float* c, long ldc)
        where TTile : struct, IGemmTile
    {
        private float* GroupA => scratch + (ColumnBlock * ProductDepth);

        public void Multiply()
        {
            int width = EvenPart(n, ColumnBlock, TTile.Columns);
            int depth = EvenPart(k, ProductDepth, 1);
            for (int column = 0; column < n; column += width)
            {
                for (int first = 0; first < k; first += depth)
                {
                    Multiply(column, Math.Min(width, n - column), first, Math.Min(depth, k - first));
                }
            }
        }

        /// <summary>All rows of A, a group of them at a time, meet a block of B that is packed with the first group.</summary>
        private void Multiply(int column, int columns, int first, int steps)
        {
            float update = first == 0 ? beta : 1;
            LinesAhead nextBlock = AheadOfBlock(column, columns, first, steps);
            for (int row = 0; row < m; row += TTile.Columns)
            {
                int rows = Math.Min(TTile.Columns, m - row);
                LinesAhead ahead = AheadOfGroup(row, rows, columns, first, steps);
                bool whereTheyLie = a.ColumnStride == 1 && rows >= TTile.Rows / 2;
                if (!whereTheyLie)
                {
                    TTile.Pack(GroupA, steps, rows, a.From(row, first).Transposed);
                }

                for (int offset = 0; offset < columns; offset += TTile.Columns)
                {
                    int width = Math.Min(TTile.Columns, columns - offset);
                    float* panel = scratch + ((long)offset * steps);
                    float* target = c + (row * ldc) + column + offset;
                    if (row == 0 && TryMultiplyPacking(rows, first, steps, column + offset, width, whereTheyLie, panel, update, target))
                    {
                        continue;
                    }

                    if (whereTheyLie)
                    {
                        GemmBlock<TTile>.MultiplyRows(rows, width, steps, alpha, a.At(row, first), a.RowStride, panel, update, target, ldc, ref nextBlock);
                    }
                    else
                    {
                        GemmBlock<TTile>.Multiply(rows, width, steps, alpha, GroupA, panel, update, target, ldc, ref ahead);
                    }
                }
            }
        }

        /// <summary>The group of an A that lies column by column that is packed after the one at <paramref name="row"/>.</summary>
        private LinesAhead AheadOfGroup(int row, int rows, int columns, int first, int steps)
        {
            if (a.ColumnStride == 1)
            {
                return default;
            }

            bool isLast = row + TTile.Columns >= m;
            int nextRow = isLast ? 0 : row + TTile.Columns;
            int nextFirst = isLast ? first + steps : first;
            int tiles = GemmBlock<TTile>.Tiles(rows) * CeilingDivide(columns, TTile.Columns);
            return new LinesAhead(
                a.From(nextRow, nextFirst).Transposed, Math.Min(steps, k - nextFirst), Math.Min(TTile.Columns, m - nextRow), (long)tiles * steps);
        }

        /// <summary>The block of B that is packed after the one at (<paramref name="first"/>, <paramref name="column"/>), where rows of A are
        /// read where they lie.</summary>
        private LinesAhead AheadOfBlock(int column, int columns, int first, int steps)
        {
            bool isLast = first + steps >= k;
            int nextColumn = isLast ? column + columns : column;
            int nextFirst = isLast ? 0 : first + steps;
            if (a.ColumnStride != 1 || nextColumn >= n)
            {
                return default;
            }

            long tiles = (long)(m / TTile.Rows) * (columns / TTile.Columns);
            var ahead = new LinesAhead(
                b.From(nextFirst, nextColumn), Math.Min(steps, k - nextFirst), Math.Min(columns, n - nextColumn), tiles * steps);
            return ahead.StepsPerLine < FewestStepsPerLine ? default : ahead;
        }

        /// <summary>Packs a panel of B; false where that is all, true where the tiles of the first group were computed, too.</summary>
        private bool TryMultiplyPacking(
            int rows, int first, int steps, int column, int columns, bool whereTheyLie, float* panel, float update, float* target)
        {
            StridedMatrix source = b.From(first, column);
            if (whereTheyLie || source.ColumnStride != 1 || columns < TTile.Columns)
            {
                TTile.Pack(panel, steps, columns, source);
                return false;
            }

            LinesAhead none = default;
            GemmBlock<TTile>.MultiplyPacking(
                rows, steps, alpha, GroupA, (float*)source.Data, source.RowStride, panel, update, target, ldc, ref none, isAll: rows == m);
            return true;
        }
    }
}
