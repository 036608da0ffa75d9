using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>The product of matrices behind pointers, for kernels that are built from products: <c>C ← α·AB + β·C</c>.</summary>
/// <remarks>
/// <see cref="Multiply"/> runs on the calling thread, so it may be called from a task of a job;
/// <see cref="MultiplyParallel"/> spreads blocks of C over the device's workers, and must not be. Transposition is a swap
/// of strides (<see cref="StridedMatrix.Transposed"/>). How blocks pass through the caches is said at <see cref="BlockedProduct{TTile}"/>.
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
    public const int ProductDepth = 384;

    /// <summary>Columns of B that are packed at a time; a multiple of every panel width.</summary>
    public const int ColumnBlock = 288;

    /// <summary>Rows and columns that C is cut at for the threads: a vector, so that shares are even.</summary>
    private const int TaskUnit = 16;

    /// <summary>Floating-point operations below which waking a worker costs more than it saves.</summary>
    public const double SerialLimit = 4e5;

    /// <summary>Scratch that <see cref="Multiply"/> needs, at a 64-byte boundary, and symmetric products too.</summary>
    public static long ScratchBytes =>
        Math.Max((RowBlock + WidestPanel) * DepthBlock, (ColumnBlock + WidestPanel + 1) * ProductDepth) * sizeof(float);

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
                new BlockedProduct<GemmTile512>((float*)scratch, m, n, k, alpha, a, b, beta, c, ldc).Multiply();
                break;
            case VectorWidth.Avx2:
                new BlockedProduct<GemmTile4<Simd256, Vector256<float>>>((float*)scratch, m, n, k, alpha, a, b, beta, c, ldc).Multiply();
                break;
            default:
                new BlockedProduct<GemmTile4<Simd128, Vector128<float>>>((float*)scratch, m, n, k, alpha, a, b, beta, c, ldc).Multiply();
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

    public static int CeilingDivide(int value, int divisor) => (value + divisor - 1) / divisor;

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
}
