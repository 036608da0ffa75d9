using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>The rows that a Gram matrix sums over: X, with or without a last column of ones that is not in memory.</summary>
internal readonly record struct GramRows(StridedMatrix X, int Rows, int Columns, bool AppendOnes)
{
    public int Width => Columns + (AppendOnes ? 1 : 0);

    public GramRows RowRange(int start, int count) => this with { X = X.From(start, 0), Rows = count };
}

/// <summary><c>C ← α·XᵀX + β·C</c> on the device's workers: the lower triangle in register tiles, then mirrored.</summary>
/// <remarks>
/// Where X is taller than wide, chunks of its rows are accumulated apart, side by side, and added in the order of the chunks;
/// a task computes a chunk's triangle, or where there are more threads than chunks some of its columns, from rows that it
/// reads where they lie (<see cref="GramTriangle{TTile, TSimd, TVector}"/>). Else, or where X lies column by column, a task computes a band of rows of the one
/// triangle from packed panels (<see cref="GramBand{TTile}"/>) and mirrors it while it is hot. Bands have about the same area.
/// What is done, and so every bit of the result, depends on the shape of X alone.
/// </remarks>
internal static unsafe class GramCore
{
    private const int RowsOfSmallestChunk = 1024;
    private const int ChunkRowsPerColumn = 4;

    /// <summary>Few, since each starts with rows that nobody has fetched ahead and ends with a sum; more threads share columns.</summary>
    private const int MostChunks = 4;

    /// <summary>Width above which a chunk's triangle is too large for the caches.</summary>
    private const int WidestChunked = 1024;

    /// <summary>Bands for every thread, so that a thread that starts late leaves its share to the others.</summary>
    private const int BandsPerThread = 2;

    /// <summary>Rows of the triangle that one task of the summation takes.</summary>
    private const int SumRows = 48;

    /// <summary>Width up to which adding the chunks is not worth a second thread.</summary>
    private const int SerialSum = 128;

    public static void Accumulate(CpuDevice device, GramRows rows, float alpha, float beta, float* c, long ldc)
    {
        int chunks = rows.Width > WidestChunked || rows.X.ColumnStride != 1
            ? 1
            : Math.Clamp(rows.Rows / Math.Max(RowsOfSmallestChunk, ChunkRowsPerColumn * rows.Width), 1, MostChunks);
        switch (device.Vectors)
        {
            case VectorWidth.Avx512:
                Accumulate<GemmTile512, Simd512, Vector512<float>>(device, rows, chunks, alpha, beta, c, ldc);
                break;
            case VectorWidth.Avx2:
                Accumulate<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>(device, rows, chunks, alpha, beta, c, ldc);
                break;
            default:
                Accumulate<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>(device, rows, chunks, alpha, beta, c, ldc);
                break;
        }
    }

    private static void Accumulate<TTile, TSimd, TVector>(
        CpuDevice device, GramRows rows, int chunks, float alpha, float beta, float* c, long ldc)
        where TTile : struct, IGemmTile
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        if (rows.Rows == 0 || alpha == 0)
        {
            GemmCore.Scale(rows.Width, rows.Width, beta, c, ldc);
            GramSum<TSimd, TVector>.Mirror(0, rows.Width, c, ldc);
            return;
        }

        if (chunks == 1)
        {
            int most = (rows.Width + GemmCore.WidestPanel - 1) / GemmCore.WidestPanel;
            var whole = new BandJob(device, rows, most, 1, alpha, beta, c, ldc);
            device.Workers.Run(whole.Bands, &RunBand<TTile, TSimd, TVector>, Unsafe.AsPointer(ref whole));
            return;
        }

        int stride = (rows.Width + TSimd.Count - 1) / TSimd.Count * TSimd.Count;
        using ScratchLease lease = device.Scratch.Rent((long)chunks * stride * stride * sizeof(float));
        int groups = GramTriangle<TTile, TSimd, TVector>.Groups(rows);
        var bands = new BandJob(device, rows, groups, chunks, 1, 0, lease.As<float>(), stride);
        device.Workers.Run(chunks * bands.Bands, &RunColumns<TTile, TSimd, TVector>, Unsafe.AsPointer(ref bands));
        SumChunks<TSimd, TVector>(device, lease.As<float>(), stride, rows.Width, chunks, alpha, beta, c, ldc);
    }

    /// <summary><c>C ← α·Σ partial + β·C</c>, in the order of the chunks, both triangles.</summary>
    /// <param name="partial">Lower triangles of squares whose rows are <paramref name="stride"/> elements apart.</param>
    public static void SumChunks<TSimd, TVector>(
        CpuDevice device, float* partial, long stride, int width, int chunks, float alpha, float beta, float* c, long ldc)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int tasks = width <= SerialSum ? 1 : (width + SumRows - 1) / SumRows;
        var sum = new SumJob(partial, stride, width, tasks, chunks, alpha, beta, c, ldc);
        device.Workers.Run(tasks, &RunSum<TSimd, TVector>, &sum);
    }

    private static void RunBand<TTile, TSimd, TVector>(void* context, int task)
        where TTile : struct, IGemmTile
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref BandJob job = ref Unsafe.AsRef<BandJob>(context);
        (int start, int end) = (job.BandStart(task), job.BandStart(task + 1));
        using ScratchLease lease = job.Device.Scratch.Rent(GemmCore.ScratchBytes);
        GramBand<TTile>.Multiply(lease.As<float>(), job.Chunk(0), start, end, job.Alpha, job.Beta, job.C, job.Ldc);
        GramSum<TSimd, TVector>.Mirror(start, end, job.C, job.Ldc);
    }

    private static void RunColumns<TTile, TSimd, TVector>(void* context, int task)
        where TTile : struct, IGemmTile
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref BandJob job = ref Unsafe.AsRef<BandJob>(context);
        int chunk = task / job.Bands;
        int band = task % job.Bands;
        using ScratchLease lease = job.Device.Scratch.Rent(GramTriangle<TTile, TSimd, TVector>.ScratchBytes);
        GramTriangle<TTile, TSimd, TVector>.Multiply(
            lease.As<float>(),
            job.Chunk(chunk),
            job.FirstGroup(band),
            job.FirstGroup(band + 1),
            job.Alpha,
            job.Beta,
            job.C + (chunk * job.Ldc * job.Ldc),
            job.Ldc);
    }

    private static void RunSum<TSimd, TVector>(void* context, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref SumJob job = ref Unsafe.AsRef<SumJob>(context);
        int start = task * SumRows;
        int end = task == job.Tasks - 1 ? job.Width : start + SumRows;
        for (int row = start; row < end; row++)
        {
            GramSum<TSimd, TVector>.Row(
                job.Partial + (row * job.Stride), job.Stride * job.Stride, job.Chunks, row + 1, job.Alpha, job.Beta, job.C + (row * job.Ldc));
        }

        GramSum<TSimd, TVector>.Mirror(start, end, job.C, job.Ldc);
    }

    /// <summary>Bands of every chunk's triangle; the chunks' results are squares, one after the other.</summary>
    /// <param name="most">Bands that a triangle can be cut into.</param>
    private readonly struct BandJob(
        CpuDevice device, GramRows rows, int most, int chunks, float alpha, float beta, float* c, long ldc)
    {
        public readonly CpuDevice Device = device;
        public readonly float Alpha = alpha;
        public readonly float Beta = beta;
        public readonly float* C = c;
        public readonly long Ldc = ldc;

        public int Bands { get; } = CountBands(device, rows, most, chunks);

        public GramRows Chunk(int chunk)
        {
            int start = (int)((long)rows.Rows * chunk / chunks);
            int end = (int)((long)rows.Rows * (chunk + 1) / chunks);
            return rows.RowRange(start, end - start);
        }

        /// <summary>The triangle right of a column at the share s of the width has the share (1 − s)² of the area.</summary>
        public int FirstGroup(int band) => (int)Math.Round(most * (1 - Math.Sqrt(1 - ((double)band / Bands))));

        /// <summary>The triangle above row r has area r²/2: a root of the share, at a panel's edge.</summary>
        public int BandStart(int band)
        {
            int panel = (int)Math.Round(Math.Sqrt((double)band / Bands) * rows.Width / GemmCore.WidestPanel);
            return band == Bands ? rows.Width : Math.Min(rows.Width, panel * GemmCore.WidestPanel);
        }

        private static int CountBands(CpuDevice device, GramRows rows, int most, int chunks)
        {
            int threads = device.Workers.Threads;
            bool serial = (double)rows.Rows * rows.Width * rows.Width < GemmCore.SerialLimit || threads == 1;
            return serial || (chunks > 1 && chunks >= threads)
                ? 1
                : Math.Clamp(((threads * BandsPerThread) + chunks - 1) / chunks, 1, most);
        }
    }

    /// <summary>The chunks' squares, whose rows are <paramref name="stride"/> elements apart.</summary>
    private readonly struct SumJob(
        float* partial, long stride, int width, int tasks, int chunks, float alpha, float beta, float* c, long ldc)
    {
        public readonly float* Partial = partial;
        public readonly long Stride = stride;
        public readonly int Width = width;
        public readonly int Tasks = tasks;
        public readonly int Chunks = chunks;
        public readonly float Alpha = alpha;
        public readonly float Beta = beta;
        public readonly float* C = c;
        public readonly long Ldc = ldc;
    }
}
