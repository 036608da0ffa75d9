using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>Sums of every image's patches over the output positions: <c>y[n, (c·k_h + a)·k_w + b] ← factor·Σ pixels that (a, b) meets</c>.</summary>
/// <remarks>
/// For images with their channels first; <see cref="PixelWindowSums"/> is for those with channels last. A channel is read once: the rows that all kernel rows of a phase meet are added up first, and each kernel row adds the
/// few that it meets besides; the columns of such a sum likewise. Nothing is subtracted, so sums that miss a NaN stay clean.
/// A kernel of one element takes a channel as a single row. A task takes a few channels; which rows and columns an element
/// meets (<see cref="WindowParts"/>) is found once a task, since for 8×8 pixels finding it costs more than the sums.
/// </remarks>
internal static unsafe class WindowSums
{
    /// <summary>Elements of X that a task reads, about.</summary>
    private const int TaskElements = 1 << 15;

    /// <summary>Sums <paramref name="factor"/> times the windows of all channels of a group's images.</summary>
    /// <param name="y">[images, channels·k_h·k_w], rows <paramref name="ldy"/> elements apart.</param>
    public static void Run(CpuDevice device, ConvolutionGroup group, float factor, float* y, long ldy)
    {
        var job = new Job(device, group, factor, y, ldy);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Job.Run<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Job.Run<Simd256, Vector256<float>>,
            _ => &Job.Run<Simd128, Vector128<float>>,
        };
        device.Workers.Run(job.Tasks, body, Unsafe.AsPointer(ref job));
    }

    private readonly struct Job(CpuDevice device, ConvolutionGroup group, float factor, float* y, long ldy)
    {
        private readonly ConvolutionGroup _group = group;
        private readonly ConvolutionAxis _rows = group.PixelsArePatches ? new ConvolutionAxis(1, 1, 1, 0, 1, 1) : group.Rows;
        private readonly ConvolutionAxis _columns = group.PixelsArePatches
            ? new ConvolutionAxis(group.Pixels, 1, 1, 0, 1, group.Pixels)
            : group.Columns;

        private int PlaneElements => _rows.Size * _columns.Size;

        private int PlanesPerTask => Math.Max(1, TaskElements / PlaneElements);

        private long Planes => (long)_group.Images * _group.Channels;

        public int Tasks => (int)((Planes + PlanesPerTask - 1) / PlanesPerTask);

        public static void Run<TSimd, TVector>(void* context, int task)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ref Job job = ref Unsafe.AsRef<Job>(context);
            job.RunTask<TSimd, TVector>(task);
        }

        private void RunTask<TSimd, TVector>(int task)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            long lines = 2L * _columns.Size * sizeof(float);
            long parts = ((long)_rows.Kernel + _columns.Kernel) * sizeof(WindowParts);
            using ScratchLease lease = device.Scratch.Rent(lines + parts);
            var down = new Span<WindowParts>(lease.As<byte>() + lines, _rows.Kernel);
            var across = new Span<WindowParts>(lease.As<byte>() + lines + (_rows.Kernel * sizeof(WindowParts)), _columns.Kernel);
            WindowParts.Fill(_rows, down);
            WindowParts.Fill(_columns, across);
            var plane = new PlaneSums<TSimd, TVector>(_rows, _columns, down, across, lease.As<float>(), factor);
            long first = (long)task * PlanesPerTask;
            long end = Math.Min(Planes, first + PlanesPerTask);
            for (long index = first; index < end; index++)
            {
                long image = index / _group.Channels;
                int channel = (int)(index % _group.Channels);
                float* pixels = _group.X + (image * _group.ImageStride) + (channel * _group.ChannelStride);
                plane.Sum(pixels, y + (image * ldy) + ((long)channel * _rows.Kernel * _columns.Kernel));
            }
        }
    }

    /// <summary>The windows of one channel.</summary>
    private readonly ref struct PlaneSums<TSimd, TVector>(
        ConvolutionAxis rows, ConvolutionAxis columns, ReadOnlySpan<WindowParts> down, ReadOnlySpan<WindowParts> across, float* lines, float factor)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        private readonly ReadOnlySpan<WindowParts> _down = down;
        private readonly ReadOnlySpan<WindowParts> _across = across;

        public void Sum(float* pixels, float* sums)
        {
            if (rows.Size == 1 && rows.Kernel == 1)
            {
                AcrossColumns(pixels, sums);
                return;
            }

            for (int phase = 0; phase < rows.Stride; phase++)
            {
                SumPhase(pixels, phase, sums);
            }
        }

        private void SumPhase(float* pixels, int phase, float* sums)
        {
            float* core = null;
            for (int a = 0; a < _down.Length; a++)
            {
                ref readonly WindowParts parts = ref _down[a];
                if (parts.Phase != phase)
                {
                    continue;
                }

                if (core == null)
                {
                    core = lines;
                    AddRows(null, pixels, parts.Core, default, phase, core);
                }

                float* window = core;
                if (parts.Before.Count + parts.After.Count > 0)
                {
                    window = lines + columns.Size;
                    AddRows(core, pixels, parts.Before, parts.After, phase, window);
                }

                AcrossColumns(window, sums + (a * columns.Kernel));
            }
        }

        /// <summary><c>sum ← from + Σ rows</c>; from may be null.</summary>
        private void AddRows(float* from, float* pixels, StepRange some, StepRange others, int phase, float* sum)
        {
            for (int j = 0; j < columns.Size; j += TSimd.Count)
            {
                int count = Math.Min(TSimd.Count, columns.Size - j);
                TVector total = from == null ? TSimd.Zero : Load(from + j, count);
                total = AddStrip(total, pixels + j, some, phase, count);
                total = AddStrip(total, pixels + j, others, phase, count);
                if (count == TSimd.Count)
                {
                    TSimd.Store(total, sum + j);
                }
                else
                {
                    TSimd.StorePartial(total, sum + j, count);
                }
            }
        }

        private TVector AddStrip(TVector total, float* pixels, StepRange steps, int phase, int count)
        {
            long distance = (long)rows.Stride * columns.Size;
            float* row = pixels + (((long)(steps.Start * rows.Stride) + phase) * columns.Size);
            int left = steps.Count;
            if (count < TSimd.Count)
            {
                for (; left > 0; left--, row += distance)
                {
                    total = TSimd.Add(total, TSimd.LoadPartial(row, count));
                }

                return total;
            }

            TVector other = TSimd.Zero;
            for (; left >= 4; left -= 4, row += 4 * distance)
            {
                total = TSimd.Add(total, TSimd.Add(TSimd.Load(row), TSimd.Load(row + distance)));
                other = TSimd.Add(other, TSimd.Add(TSimd.Load(row + (2 * distance)), TSimd.Load(row + (3 * distance))));
            }

            for (; left > 0; left--, row += distance)
            {
                total = TSimd.Add(total, TSimd.Load(row));
            }

            return TSimd.Add(total, other);
        }

        private void AcrossColumns(float* line, float* sums)
        {
            for (int phase = 0; phase < columns.Stride; phase++)
            {
                float core = float.NaN;
                bool any = false;
                for (int b = 0; b < _across.Length; b++)
                {
                    ref readonly WindowParts parts = ref _across[b];
                    if (parts.Phase == phase)
                    {
                        core = any ? core : Sum(line, parts.Core, phase);
                        any = true;
                        sums[b] = factor * (core + Sum(line, parts.Before, phase) + Sum(line, parts.After, phase));
                    }
                }
            }
        }

        private float Sum(float* line, StepRange steps, int phase)
        {
            float sum = 0;
            int step = steps.Start;
            if (columns.Stride == 1 && steps.Count >= 4)
            {
                return SimdRow<TSimd, TVector>.Sum(line + step, steps.Count);
            }

            for (; step < steps.End; step++)
            {
                sum += line[((long)step * columns.Stride) + phase];
            }

            return sum;
        }

        private static TVector Load(float* source, int count) =>
            count == TSimd.Count ? TSimd.Load(source) : TSimd.LoadPartial(source, count);
    }
}
