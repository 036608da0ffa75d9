using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>The blocks of a convolution's Gram matrix, one for each pair of kernel elements: <c>block(a, b) = Σ z(u)·z(u + b − a)ᵀ</c>.</summary>
/// <remarks>
/// z(u) are the channels of pixel u, which passes over the pixels that a meets while b meets a pixel too. Pairs of the same
/// lag b − a (and, with strides, the same phase) sum over almost the same pixels: what all of them have in common is
/// multiplied once, and each pair adds its own border rows and columns. So a 3×3 kernel takes 13 products over the images and
/// some over their borders instead of 45. Everything is added and nothing subtracted: the error is that of the plain sum.
/// Only lags that come first in reading order are computed; block(b, a) is the transpose.
/// <para>
/// A task computes one lag and phase for up to <see cref="TaskRows"/> of the channels of z(u), over all images: at most 256
/// pixels at a time are gathered into panels, as in <see cref="GramBand{TTile}"/>. Every lag reads all images again, so callers
/// hand over as many as the cache holds: with more, 64 channels of 32×32 pixels fell from 189 to 94 GF/s.
/// </para>
/// <para>
/// Measured on one core of an AMD EPYC with AVX-512, least of many rounds while other work ran: a 3×3 kernel with padding 1
/// over 32 images of 64×32×32, 128×16×16 and 256×8×8 takes 18.4, 17.6 and 23.9 ms with everything around it, 2·13·C² operations
/// a pixel being 189, 198 and 146 GF/s; borders are half as much again at 8×8.
/// </para>
/// </remarks>
internal static unsafe class LagCorrelation
{
    /// <summary>Channels that one task takes at most; a multiple of every panel width.</summary>
    private const int TaskRows = 144;

    /// <summary>Computes the blocks: block (a, b), C×C, starts at <c>(a·k_h·k_w + b)·C²</c>; others than those computed stay as they are.</summary>
    /// <param name="accumulate">Whether to add to what the blocks hold.</param>
    public static void Run(CpuDevice device, ConvolutionImages images, bool accumulate, float* blocks)
    {
        var job = new Job(device, images, accumulate ? 1 : 0, blocks);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Job.Run<GemmTile512, Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Job.Run<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>,
            _ => &Job.Run<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>,
        };
        device.Workers.Run(job.Tasks, body, Unsafe.AsPointer(ref job));
    }

    private readonly struct Job(CpuDevice device, ConvolutionImages images, float beta, float* blocks)
    {
        private int Channels => images.Channels;

        private int Phases => images.Rows.Stride;

        private int ColumnLags => (2 * images.Columns.Kernel) - 1;

        private int Bands => (Channels + TaskRows - 1) / TaskRows;

        public int Tasks => images.Rows.Kernel * ColumnLags * Phases * Phases * Bands;

        public static void Run<TTile, TSimd, TVector>(void* context, int task)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ref Job job = ref Unsafe.AsRef<Job>(context);
            job.RunTask<TTile, TSimd, TVector>(task);
        }

        private void RunTask<TTile, TSimd, TVector>(int task)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            int band = task % Bands;
            int phases = task / Bands % (Phases * Phases);
            int lags = task / Bands / (Phases * Phases);
            var lag = new Lag(lags / ColumnLags, (lags % ColumnLags) - images.Columns.Kernel + 1, phases / Phases, phases % Phases);
            if (lag.Rows > 0 || lag.Columns >= 0)
            {
                int start = BandStart(band);
                Correlate<TTile, TSimd, TVector>(lag, start, BandStart(band + 1) - start);
            }
        }

        private int BandStart(int band)
        {
            int panels = (Channels + GemmCore.WidestPanel - 1) / GemmCore.WidestPanel;
            return Math.Min(Channels, panels * band / Bands * GemmCore.WidestPanel);
        }

        private void Correlate<TTile, TSimd, TVector>(Lag lag, int channel, int channels)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ConvolutionAxis rows = images.Rows, columns = images.Columns;
            if (!rows.Core(lag.Rows, lag.RowPhase, out StepRange coreRows) || !columns.Core(lag.Columns, lag.ColumnPhase, out StepRange coreColumns))
            {
                return;
            }

            int size = channels * Channels;
            using ScratchLease lease = device.Scratch.Rent(GemmCore.ScratchBytes + (2L * size * sizeof(float)));
            var sums = new Sums<TTile>(images, lag, channel, channels, lease.As<float>());
            float* core = (float*)(lease.As<byte>() + GemmCore.ScratchBytes);
            float* common = core + size;
            new Span<float>(core, size).Clear();
            sums.Add(coreRows, coreColumns, core);
            for (int a = 0; a < rows.Kernel; a++)
            {
                if (!rows.IsMember(a, lag.Rows, lag.RowPhase))
                {
                    continue;
                }

                StepRange window = rows.Window(a, lag.Rows);
                new Span<float>(core, size).CopyTo(new Span<float>(common, size));
                (StepRange above, StepRange below) = window.Without(coreRows);
                sums.Add(above, coreColumns, common);
                sums.Add(below, coreColumns, common);
                for (int b = 0; b < columns.Kernel; b++)
                {
                    if (columns.IsMember(b, lag.Columns, lag.ColumnPhase))
                    {
                        float* block = Block((a * columns.Kernel) + b, ((a + lag.Rows) * columns.Kernel) + b + lag.Columns) + ((long)channel * Channels);
                        GramSum<TSimd, TVector>.Row(common, 0, 1, size, 1, beta, block);
                        (StepRange left, StepRange right) = columns.Window(b, lag.Columns).Without(coreColumns);
                        sums.Add(window, left, block);
                        sums.Add(window, right, block);
                    }
                }
            }
        }

        private float* Block(int from, int to) =>
            blocks + ((((long)from * images.Rows.Kernel * images.Columns.Kernel) + to) * Channels * Channels);
    }

    /// <summary>Kernel elements from one to the other of a pair, and the phase of the first.</summary>
    private readonly record struct Lag(int Rows, int Columns, int RowPhase, int ColumnPhase)
    {
        public bool IsZero => Rows == 0 && Columns == 0;
    }

    /// <summary>Adds products over rectangles of pixels to some rows of a block.</summary>
    private readonly struct Sums<TTile>(ConvolutionImages images, Lag lag, int channel, int channels, float* scratch)
        where TTile : struct, IGemmTile
    {
        public void Add(StepRange rows, StepRange columns, float* block)
        {
            var region = new PixelRegion(rows, columns, lag.RowPhase, lag.ColumnPhase);
            long pixels = region.Count * images.Count;
            for (long first = 0; first < pixels; first += GemmCore.DepthBlock)
            {
                AddPixels(region, first, (int)Math.Min(GemmCore.DepthBlock, pixels - first), block);
            }
        }

        private void AddPixels(in PixelRegion region, long first, int steps, float* block)
        {
            float* own = scratch;
            float* passing = scratch + (GemmCore.RowBlock * GemmCore.DepthBlock);
            for (int offset = 0; offset < channels; offset += TTile.Columns)
            {
                int count = Math.Min(TTile.Columns, channels - offset);
                images.Pack<TTile>(own + ((long)offset * steps), region, first, steps, 0, 0, channel + offset, count);
            }

            // A block between a kernel element and itself is symmetric: nothing right of its diagonal panels is needed.
            int end = lag.IsZero ? channel + channels : images.Channels;
            for (int column = 0; column < end; column += TTile.Columns)
            {
                int skipped = lag.IsZero ? Math.Max(0, column - channel) : 0;
                int count = Math.Min(TTile.Columns, images.Channels - column);
                int rowShift = lag.Rows * images.Rows.Dilation;
                images.Pack<TTile>(passing, region, first, steps, rowShift, lag.Columns * images.Columns.Dilation, column, count);
                GemmBlock<TTile>.Multiply(
                    channels - skipped, count, steps, 1, own + ((long)skipped * steps), passing, 1, block + ((long)skipped * images.Channels) + column, images.Channels);
            }
        }
    }
}
