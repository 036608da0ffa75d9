using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>The rows that a Gram matrix sums over: X, with or without a last column of ones that is not in memory.</summary>
internal readonly record struct GramRows(StridedMatrix X, int Rows, int Columns, bool AppendOnes)
{
    public int Width => Columns + (AppendOnes ? 1 : 0);

    public GramRows RowRange(int start, int count) => this with { X = X.From(start, 0), Rows = count };
}

/// <summary><c>C ← α·XᵀX + β·C</c> on the device's workers: the lower triangle in register tiles, mirrored while it is hot.</summary>
/// <remarks>
/// A task computes a band of rows of the triangle (<see cref="GramBand{TTile}"/>). Bands get narrower
/// downwards so that each has the same area. Where X is much taller than wide, chunks of its rows are accumulated apart,
/// side by side, and added in the order of the chunks. How many chunks there are, and so every bit of the result, depends
/// on the shape of X alone.
/// </remarks>
internal static unsafe class GramCore
{
    private const int RowsOfSmallestChunk = 1024;
    private const int ChunkRowsPerColumn = 8;
    private const int MostChunks = 16;

    /// <summary>Bands for every thread, so that a thread that starts late leaves its share to the others.</summary>
    private const int BandsPerThread = 2;

    /// <summary>Rows of the triangle that one task of the summation takes.</summary>
    private const int SumRows = 48;

    public static void Accumulate(CpuDevice device, GramRows rows, float alpha, float beta, float* c, long ldc)
    {
        int chunks = Math.Clamp(rows.Rows / Math.Max(RowsOfSmallestChunk, ChunkRowsPerColumn * rows.Width), 1, MostChunks);
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
            var whole = new BandJob(device, rows, 1, alpha, beta, c, ldc, 0);
            device.Workers.Run(whole.Bands, &RunBand<TTile, TSimd, TVector>, Unsafe.AsPointer(ref whole));
            return;
        }

        long size = (long)rows.Width * rows.Width;
        using ScratchLease lease = device.Scratch.Rent(chunks * size * sizeof(float));
        var bands = new BandJob(device, rows, chunks, 1, 0, lease.As<float>(), rows.Width, size);
        device.Workers.Run(chunks * bands.Bands, &RunBand<TTile, TSimd, TVector>, Unsafe.AsPointer(ref bands));
        var sum = new SumJob(lease.As<float>(), size, rows.Width, chunks, alpha, beta, c, ldc);
        device.Workers.Run((rows.Width + SumRows - 1) / SumRows, &RunSum<TSimd, TVector>, &sum);
    }

    private static void RunBand<TTile, TSimd, TVector>(void* context, int task)
        where TTile : struct, IGemmTile
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref BandJob job = ref Unsafe.AsRef<BandJob>(context);
        int chunk = task / job.Bands;
        int start = job.BandStart(task % job.Bands);
        int end = job.BandStart((task % job.Bands) + 1);
        using ScratchLease lease = job.Device.Scratch.Rent(GemmCore.ScratchBytes);
        float* c = job.C + (chunk * job.ChunkStride);
        GramBand<TTile>.Multiply(lease.As<float>(), job.Chunk(chunk), start, end, job.Alpha, job.Beta, c, job.Ldc);
        if (job.Chunks == 1)
        {
            GramSum<TSimd, TVector>.Mirror(start, end, c, job.Ldc);
        }
    }

    private static void RunSum<TSimd, TVector>(void* context, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref SumJob job = ref Unsafe.AsRef<SumJob>(context);
        int start = task * SumRows;
        int end = Math.Min(job.Width, start + SumRows);
        for (int row = start; row < end; row++)
        {
            GramSum<TSimd, TVector>.Row(
                job.Partial + ((long)row * job.Width), job.ChunkStride, job.Chunks, row + 1, job.Alpha, job.Beta, job.C + (row * job.Ldc));
        }

        GramSum<TSimd, TVector>.Mirror(start, end, job.C, job.Ldc);
    }

    /// <summary>Bands of every chunk's triangle; chunk n's result starts n·<paramref name="chunkStride"/> elements on.</summary>
    private readonly struct BandJob(
        CpuDevice device, GramRows rows, int chunks, float alpha, float beta, float* c, long ldc, long chunkStride)
    {
        public readonly CpuDevice Device = device;
        public readonly int Chunks = chunks;
        public readonly float Alpha = alpha;
        public readonly float Beta = beta;
        public readonly float* C = c;
        public readonly long Ldc = ldc;
        public readonly long ChunkStride = chunkStride;

        public int Bands { get; } = CountBands(device, rows, chunks);

        public GramRows Chunk(int chunk)
        {
            int start = (int)((long)rows.Rows * chunk / Chunks);
            int end = (int)((long)rows.Rows * (chunk + 1) / Chunks);
            return rows.RowRange(start, end - start);
        }

        /// <summary>The triangle above row r has area r²/2: a root of the share, at a panel's edge.</summary>
        public int BandStart(int band)
        {
            double share = Math.Sqrt((double)band / Bands);
            int panel = (int)Math.Round(share * rows.Width / GemmCore.WidestPanel);
            return band == Bands ? rows.Width : Math.Min(rows.Width, panel * GemmCore.WidestPanel);
        }

        private static int CountBands(CpuDevice device, GramRows rows, int chunks)
        {
            if ((double)rows.Rows * rows.Width * rows.Width < GemmCore.SerialLimit || device.Workers.Threads == 1)
            {
                return 1;
            }

            int wanted = (device.Workers.Threads * BandsPerThread) + chunks - 1;
            return Math.Clamp(wanted / chunks, 1, (rows.Width + GemmCore.WidestPanel - 1) / GemmCore.WidestPanel);
        }
    }

    private readonly struct SumJob(
        float* partial, long chunkStride, int width, int chunks, float alpha, float beta, float* c, long ldc)
    {
        public readonly float* Partial = partial;
        public readonly long ChunkStride = chunkStride;
        public readonly int Width = width;
        public readonly int Chunks = chunks;
        public readonly float Alpha = alpha;
        public readonly float Beta = beta;
        public readonly float* C = c;
        public readonly long Ldc = ldc;
    }
}
