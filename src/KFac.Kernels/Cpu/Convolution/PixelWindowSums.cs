using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="WindowSums"/> of images with their channels last: vectors are channels of a pixel.</summary>
/// <remarks>
/// The ends of the windows cut an image into a few rectangles (<see cref="WindowCuts"/>), each pixel in one, and every
/// rectangle is summed once, while the image streams through line by line. An element of the kernel adds up the rectangles
/// that it meets, along columns first. Nothing is subtracted, so sums that miss a NaN stay clean. With fewer channels than a
/// vector has elements the lines of a rectangle are added first, as they lie.
/// A task takes a few images, or of large ones a few channels.
/// </remarks>
internal static unsafe class PixelWindowSums
{
    /// <summary>Elements of X that a task reads, about.</summary>
    private const int TaskElements = 1 << 15;

    /// <summary>Channels that are summed together.</summary>
    private const int Block = 256;

    /// <inheritdoc cref="WindowSums.Run"/>
    public static void Run(CpuDevice device, ConvolutionGroup group, float factor, float* y, long ldy)
    {
        long rowBytes = WindowCuts.Bytes(group.Rows);
        using ScratchLease lease = device.Scratch.Rent(rowBytes + WindowCuts.Bytes(group.Columns));
        var down = new WindowCuts(group.Rows, lease.As<byte>());
        var across = new WindowCuts(group.Columns, lease.As<byte>() + rowBytes);
        var job = new Job(device, group, down, across, factor, y, ldy);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Job.Run<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Job.Run<Simd256, Vector256<float>>,
            _ => &Job.Run<Simd128, Vector128<float>>,
        };
        device.Workers.Run(job.Tasks, body, Unsafe.AsPointer(ref job));
    }

    private readonly struct Job(
        CpuDevice device, ConvolutionGroup group, WindowCuts down, WindowCuts across, float factor, float* y, long ldy)
    {
        private readonly ConvolutionGroup _group = group;
        private readonly WindowCuts _down = down;
        private readonly WindowCuts _across = across;

        private int Blocks => (_group.Channels + Block - 1) / Block;

        private long Units => (long)_group.Images * Blocks;

        private int UnitsPerTask => (int)Math.Max(1, TaskElements / ((long)_group.Pixels * Math.Min(_group.Channels, Block)));

        public int Tasks => (int)((Units + UnitsPerTask - 1) / UnitsPerTask);

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
            int elements = _group.Rows.Kernel * _group.Columns.Kernel;
            int pitch = (Math.Min(_group.Channels, Block) + TSimd.Count - 1) / TSimd.Count * TSimd.Count;
            long rectangles = (long)_down.MostIntervals * _across.MostIntervals * pitch;
            long line = ((long)_group.Columns.Size * _group.Channels) + TSimd.Count;
            long strips = (long)_down.MostIntervals * _group.Columns.Kernel * pitch;
            using ScratchLease lease = device.Scratch.Rent((rectangles + strips + ((long)elements * pitch) + line) * sizeof(float));
            float* memory = lease.As<float>();
            float* windowMemory = memory + rectangles + strips;
            float* lineMemory = windowMemory + ((long)elements * pitch);
            var sums = new ChannelWindowSums<TSimd, TVector>(
                _group, _down, _across, pitch, memory, memory + rectangles, windowMemory, lineMemory);
            long end = Math.Min(Units, ((long)task + 1) * UnitsPerTask);
            for (long unit = (long)task * UnitsPerTask; unit < end; unit++)
            {
                long image = unit / Blocks;
                int channel = (int)(unit % Blocks) * Block;
                int channels = Math.Min(Block, _group.Channels - channel);
                float* windows = sums.Sum(_group.X + (image * _group.ImageStride) + channel, channels, factor);
                PanelTranspose<TSimd, TVector>.Run(
                    y + (image * ldy) + ((long)channel * elements), elements, channels, elements, new StridedMatrix(windows, 1, pitch));
            }
        }
    }
}
