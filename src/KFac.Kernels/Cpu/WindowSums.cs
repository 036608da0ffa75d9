using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>Sums of every image's patches over the output positions: <c>y[n, (c·k_h + a)·k_w + b] ← factor·Σ pixels that (a, b) meets</c>.</summary>
/// <remarks>
/// A channel is read once: the rows that all kernel rows of a phase meet are added up first, and each kernel row adds the
/// few that it meets besides; the columns of such a sum likewise. Nothing is subtracted, so sums that miss a NaN stay clean.
/// A task takes a few channels.
/// </remarks>
internal static unsafe class WindowSums
{
    /// <summary>Elements of X that a task reads, about.</summary>
    private const int TaskElements = 1 << 15;

    /// <param name="x">The first image; images are <paramref name="ldx"/> elements apart.</param>
    /// <param name="y">[images, channels·k_h·k_w], rows <paramref name="ldy"/> elements apart.</param>
    public static void Run(
        CpuDevice device, float* x, long ldx, int images, int channels, ConvolutionAxis rows, ConvolutionAxis columns, float factor, float* y, long ldy)
    {
        var job = new Job(device, x, ldx, images, channels, rows, columns, factor, y, ldy);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Job.Run<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Job.Run<Simd256, Vector256<float>>,
            _ => &Job.Run<Simd128, Vector128<float>>,
        };
        device.Workers.Run(job.Tasks, body, Unsafe.AsPointer(ref job));
    }

    private readonly struct Job(
        CpuDevice device, float* x, long ldx, int images, int channels, ConvolutionAxis rows, ConvolutionAxis columns, float factor, float* y, long ldy)
    {
        private int PlanesPerTask => Math.Max(1, TaskElements / (rows.Size * columns.Size));

        private long Planes => (long)images * channels;

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
            using ScratchLease lease = device.Scratch.Rent(2L * columns.Size * sizeof(float));
            long first = (long)task * PlanesPerTask;
            long end = Math.Min(Planes, first + PlanesPerTask);
            for (long plane = first; plane < end; plane++)
            {
                long image = plane / channels;
                int channel = (int)(plane % channels);
                float* pixels = x + (image * ldx) + ((long)channel * rows.Size * columns.Size);
                Plane<TSimd, TVector>(pixels, lease.As<float>(), y + (image * ldy) + ((long)channel * rows.Kernel * columns.Kernel));
            }
        }

        private void Plane<TSimd, TVector>(float* pixels, float* scratch, float* sums)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            float* core = scratch;
            float* window = scratch + columns.Size;
            for (int phase = 0; phase < rows.Stride; phase++)
            {
                if (!rows.Core(0, phase, out StepRange common))
                {
                    continue;
                }

                new Span<float>(core, columns.Size).Clear();
                AddRows<TSimd, TVector>(pixels, common, phase, core);
                for (int a = 0; a < rows.Kernel; a++)
                {
                    if (rows.IsMember(a, 0, phase))
                    {
                        (StepRange before, StepRange after) = rows.Window(a, 0).Without(common);
                        new Span<float>(core, columns.Size).CopyTo(new Span<float>(window, columns.Size));
                        AddRows<TSimd, TVector>(pixels, before, phase, window);
                        AddRows<TSimd, TVector>(pixels, after, phase, window);
                        AcrossColumns(window, sums + (a * columns.Kernel));
                    }
                }
            }
        }

        private void AcrossColumns(float* line, float* sums)
        {
            for (int phase = 0; phase < columns.Stride; phase++)
            {
                if (!columns.Core(0, phase, out StepRange common))
                {
                    continue;
                }

                float core = Sum(line, common, phase);
                for (int b = 0; b < columns.Kernel; b++)
                {
                    if (columns.IsMember(b, 0, phase))
                    {
                        (StepRange before, StepRange after) = columns.Window(b, 0).Without(common);
                        sums[b] = factor * (core + Sum(line, before, phase) + Sum(line, after, phase));
                    }
                }
            }
        }

        private float Sum(float* line, StepRange steps, int phase)
        {
            float sum = 0;
            for (int step = steps.Start; step < steps.End; step++)
            {
                sum += line[(step * columns.Stride) + phase];
            }

            return sum;
        }

        private void AddRows<TSimd, TVector>(float* pixels, StepRange steps, int phase, float* sums)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            int j = 0;
            long distance = (long)rows.Stride * columns.Size;
            float* first = pixels + (((long)(steps.Start * rows.Stride) + phase) * columns.Size);
            for (; j < columns.Size; j += TSimd.Count)
            {
                int count = Math.Min(TSimd.Count, columns.Size - j);
                TVector sum = TSimd.LoadPartial(sums + j, count);
                float* row = first + j;
                for (int step = steps.Start; step < steps.End; step++)
                {
                    sum = TSimd.Add(sum, count == TSimd.Count ? TSimd.Load(row) : TSimd.LoadPartial(row, count));
                    row += distance;
                }

                TSimd.StorePartial(sum, sums + j, count);
            }
        }
    }
}
