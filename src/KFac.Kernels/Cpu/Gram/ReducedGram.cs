using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>The Gram matrix of reduced examples, where multiplying them takes a good part of the time that reading X does.</summary>
/// <remarks>
/// A task reduces some examples, multiplies them into its own triangle while they are in the cache, and fetches the rows of the next
/// examples meanwhile, so that memory is read all the time: after its last block those of the task that it likely takes next. Every
/// second task starts with half a block, so that two threads don't both multiply while memory waits. The examples' chunks and blocks
/// depend on the shape alone, and so does every bit of the result.
/// <para>
/// Measured on two threads of an AMD EPYC with AVX-512, in alternating runs, reduced first and so with blocks of 64: [512, 25, 300] 0.50
/// and 0.46 ms, [2048, 8, 64] 0.155 and 0.131, [512, 16, 128] no difference. With blocks of 32, the half ones and the next task's rows
/// [512, 25, 300] takes 1.13 to 1.23 times what the sums alone do, with whole blocks of 64 and nothing fetched between tasks 1.35 times;
/// blocks of 16, 24 and 48, and 256 or 512 KB fetched meanwhile, are no better.
/// </para>
/// </remarks>
internal static unsafe class ReducedGram
{
    /// <summary>Parts of the examples, each summed apart.</summary>
    private const int Chunks = 4;

    /// <summary>Examples that are reduced before they are multiplied.</summary>
    private const int BlockExamples = 32;

    /// <summary>Examples from which on every task has several blocks.</summary>
    private const int LeastExamples = 256;

    /// <summary>Bytes of X that are fetched meanwhile, at most: what the second-level cache keeps beside a triangle.</summary>
    private const long MostBytesAhead = 384 << 10;

    /// <summary>Columns that a triangle in the second-level cache has at most, and those from which on there is enough to multiply.</summary>
    private const int MostColumns = 400;

    private const int LeastColumns = 48;

    /// <summary>Columns for each row of an example from which on multiplying takes a fifth of the time of reading.</summary>
    private const int ColumnsPerRow = 8;

    /// <summary>Whether this is the faster way.</summary>
    /// <param name="width">Columns of the result.</param>
    public static bool Suits(int rows, int segments, int width) =>
        segments >= LeastExamples && width is >= LeastColumns and <= MostColumns && (long)rows * ColumnsPerRow <= (long)segments * width;

    /// <summary><c>C ← α·YᵀY + β·C</c> of the reduced examples Y; α is not 0.</summary>
    public static void Accumulate(CpuDevice device, in GramArguments arguments, int segments)
    {
        switch (device.Vectors)
        {
            case VectorWidth.Avx512:
                Accumulate<GemmTile512, Simd512, Vector512<float>>(device, arguments, segments);
                break;
            case VectorWidth.Avx2:
                Accumulate<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>(device, arguments, segments);
                break;
            default:
                Accumulate<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>(device, arguments, segments);
                break;
        }
    }

    private static void Accumulate<TTile, TSimd, TVector>(CpuDevice device, in GramArguments arguments, int segments)
        where TTile : struct, IGemmTile
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int width = arguments.Gram.Columns;
        int stride = (width + TSimd.Count - 1) / TSimd.Count * TSimd.Count;
        using ScratchLease lease = device.Scratch.Rent((long)Chunks * stride * stride * sizeof(float));
        var job = new Job(device, arguments, segments, lease.As<float>(), stride);
        device.Workers.Run(Chunks, &Job.Run<TTile, TSimd, TVector>, Unsafe.AsPointer(ref job));
        GramCore.SumChunks<TSimd, TVector>(
            device, lease.As<float>(), stride, width, Chunks, arguments.Alpha, arguments.Beta, arguments.Gram.Pointer, arguments.Gram.RowStride);
    }

    private readonly struct Job(CpuDevice device, GramArguments arguments, int segments, float* partial, int stride)
    {
        private readonly MatrixView<float> _x = arguments.X;
        private readonly SharingScale _scale = arguments.Scale;
        private readonly int _sharing = arguments.Sharing;
        private readonly int* _starts = arguments.Offsets is null ? null : arguments.Offsets.View.Pointer;
        private readonly int _width = arguments.Gram.Columns;

        public static void Run<TTile, TSimd, TVector>(void* context, int chunk)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => Unsafe.AsRef<Job>(context).RunChunk<TTile, TSimd, TVector>(chunk);

        private void RunChunk<TTile, TSimd, TVector>(int chunk)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            long strip = GramTriangle<TTile, TSimd, TVector>.ScratchBytes;
            using ScratchLease lease = device.Scratch.Rent(strip + ((long)BlockExamples * stride * sizeof(float)));
            float* reduced = (float*)(lease.As<byte>() + strip);
            float* c = partial + ((long)chunk * stride * stride);
            int end = First(chunk + 1);
            int count = chunk % 2 == 0 ? BlockExamples : BlockExamples / 2;
            for (int n = First(chunk); n < end; n += count, count = Math.Min(BlockExamples, end - n))
            {
                Reduce<TSimd, TVector>(n, count, reduced);
                var rows = new GramRows(new StridedMatrix(reduced, stride, 1), count, _width, false);
                int groups = GramTriangle<TTile, TSimd, TVector>.Groups(rows);
                int next = n + count < end ? n + count : First(Math.Min(Chunks, chunk + device.Workers.Threads));
                LinesAhead ahead = Ahead(next, GramTriangle<TTile, TSimd, TVector>.Tiles(rows, 0, groups) * count);
                float beta = n == First(chunk) ? 0 : 1;
                GramTriangle<TTile, TSimd, TVector>.MultiplyBlock(lease.As<float>(), rows, 0, groups, 1, beta, c, stride, ref ahead);
            }
        }

        /// <summary>The first example of a chunk.</summary>
        private int First(int chunk) => (int)((long)segments * chunk / Chunks);

        private void Reduce<TSimd, TVector>(int first, int count, float* reduced)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            for (int n = first; n < first + count; n++)
            {
                int start = Start(n);
                int rows = Start(n + 1) - start;
                float factor = CpuSegmentReduce.Factor(_scale, rows);
                SegmentRows<TSimd, TVector>.Sum(_x.Pointer + (start * _x.RowStride), _x.RowStride, rows, _x.Columns, factor, reduced);
                if (_x.Columns < _width)
                {
                    reduced[_x.Columns] = factor * rows;
                }

                reduced += stride;
            }
        }

        /// <summary>The first rows of the examples that come next.</summary>
        private LinesAhead Ahead(int next, long steps)
        {
            int start = Start(next);
            long most = MostBytesAhead / (_x.Columns * sizeof(float));
            int rows = (int)Math.Min(most, Start(Math.Min(segments, next + BlockExamples)) - start);
            return new LinesAhead(new StridedMatrix(_x.Pointer + (start * _x.RowStride), _x.RowStride, 1), rows, _x.Columns, steps);
        }

        private int Start(int segment) => _starts == null ? segment * _sharing : _starts[segment];
    }
}
