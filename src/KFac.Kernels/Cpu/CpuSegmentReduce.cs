using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="SegmentReduce"/> on the CPU, bound by memory bandwidth: every input is read once, along its rows.</summary>
/// <remarks>A task takes a few examples, or a strip of columns of one where there are few examples. The rows of an example
/// are added in order, so how the work is cut changes no bit.</remarks>
internal sealed unsafe class CpuSegmentReduce(CpuDevice device) : ISegmentReduceKernel
{
    /// <summary>Elements that a task reads or writes at least.</summary>
    private const int SmallestTask = 1 << 14;

    /// <summary>Tasks of many small examples: each streams through its part, which takes a while to get up to speed.</summary>
    private const int MostTasks = 32;

    private const int StripColumns = 256;

    /// <summary>The factor of a sum over <paramref name="rows"/> rows, correctly rounded; 0 for none.</summary>
    public static float Factor(SharingScale scale, int rows) => rows == 0 ? 0 : scale switch
    {
        SharingScale.Mean => 1f / rows,
        SharingScale.Sum => 1f,
        _ => (float)(1 / Math.Sqrt(rows)),
    };

    public void Reduce(MatrixView<float> x, int sharing, SegmentOffsets? offsets, SharingScale scale, MatrixView<float> y) =>
        Reduce(x, sharing, offsets, scale, y.Rows, y.Pointer, y.RowStride);

    /// <summary>As the other, to <paramref name="segments"/> rows at <paramref name="y"/>, <paramref name="ldy"/> elements apart.</summary>
    public void Reduce(MatrixView<float> x, int sharing, SegmentOffsets? offsets, SharingScale scale, int segments, float* y, long ldy)
    {
        int* starts = offsets is null ? null : offsets.View.Pointer;
        Run(new Job(x.Pointer, x.RowStride, y, ldy, segments, x.Columns, sharing, starts, scale), x.Rows, spread: false);
    }

    /// <summary>As the others, for <paramref name="segments"/> examples of as many rows each.</summary>
    /// <param name="x">Rows of <paramref name="columns"/> elements, <paramref name="ldx"/> apart.</param>
    public void Reduce(float* x, long ldx, int columns, int sharing, SharingScale scale, int segments, float* y, long ldy) =>
        Run(new Job(x, ldx, y, ldy, segments, columns, sharing, null, scale), segments * sharing, spread: false);

    public void Spread(MatrixView<float> y, int sharing, SegmentOffsets? offsets, SharingScale scale, MatrixView<float> x)
    {
        int* starts = offsets is null ? null : offsets.View.Pointer;
        Run(new Job(x.Pointer, x.RowStride, y.Pointer, y.RowStride, y.Rows, x.Columns, sharing, starts, scale), x.Rows, spread: true);
    }

    private void Run(Job job, int rows, bool spread)
    {
        if (job.Segments == 0 || job.Columns == 0)
        {
            return;
        }

        job.CutInto(device.Workers.Threads, rows);
        device.Workers.Run(job.Tasks, Body(spread), &job);
    }

    private delegate*<void*, int, void> Body(bool spread) => device.Vectors switch
    {
        VectorWidth.Avx512 => spread ? &Job.Spread<Simd512, Vector512<float>> : &Job.Reduce<Simd512, Vector512<float>>,
        VectorWidth.Avx2 => spread ? &Job.Spread<Simd256, Vector256<float>> : &Job.Reduce<Simd256, Vector256<float>>,
        _ => spread ? &Job.Spread<Simd128, Vector128<float>> : &Job.Reduce<Simd128, Vector128<float>>,
    };

    private struct Job(
        float* x, long ldx, float* y, long ldy, int segments, int columns, int sharing, int* starts, SharingScale scale)
    {
        private readonly float* _x = x;
        private readonly float* _y = y;
        private readonly long _ldx = ldx;
        private readonly SharingScale _scale = scale;
        private int _segmentsPerTask;
        private int _strips;

        public readonly int Segments => segments;

        public readonly int Columns => columns;

        public readonly int Tasks => (segments + _segmentsPerTask - 1) / _segmentsPerTask * _strips;

        public static void Reduce<TSimd, TVector>(void* context, int task)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ref Job job = ref Unsafe.AsRef<Job>(context);
            (int first, int end, int column, int width) = job.Part(task);
            for (int n = first; n < end; n++)
            {
                (int start, int count) = job.Segment(n);
                SegmentRows<TSimd, TVector>.Sum(
                    job.X(start) + column, job._ldx, count, width, Factor(job._scale, count), job.Y(n) + column);
            }
        }

        public static void Spread<TSimd, TVector>(void* context, int task)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ref Job job = ref Unsafe.AsRef<Job>(context);
            (int first, int end, int column, int width) = job.Part(task);
            for (int n = first; n < end; n++)
            {
                (int start, int count) = job.Segment(n);
                for (int row = start; row < start + count; row++)
                {
                    SegmentRows<TSimd, TVector>.Scale(job.Y(n) + column, width, Factor(job._scale, count), job.X(row) + column);
                }
            }
        }

        /// <summary>Decides how many examples and how many columns make a task.</summary>
        public void CutInto(int threads, int rows)
        {
            double perSegment = Math.Max(1, (double)rows * columns / segments);
            double task = Math.Max(SmallestTask, (double)rows * columns / MostTasks);
            _segmentsPerTask = (int)Math.Clamp(task / perSegment, 1, segments);
            bool few = segments < 2 * threads && perSegment > 2 * SmallestTask;
            _strips = few ? (columns + StripColumns - 1) / StripColumns : 1;
        }

        private readonly float* X(int row) => _x + (row * _ldx);

        private readonly float* Y(int segment) => _y + (segment * ldy);

        private readonly (int Start, int Count) Segment(int n) =>
            starts == null ? (n * sharing, sharing) : (starts[n], starts[n + 1] - starts[n]);

        private readonly (int First, int End, int Column, int Width) Part(int task)
        {
            int first = task / _strips * _segmentsPerTask;
            int column = _strips == 1 ? 0 : task % _strips * StripColumns;
            int width = _strips == 1 ? columns : Math.Min(StripColumns, columns - column);
            return (first, Math.Min(segments, first + _segmentsPerTask), column, width);
        }
    }
}
