using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>The blocks of a convolution's Gram matrix, one for each pair of kernel elements: <c>block(a, b) = Σ z(u)·z(u + b − a)ᵀ</c>.</summary>
/// <remarks>
/// z(u) are the channels of pixel u, which passes over the pixels that a meets while b meets a pixel too. Pairs of the same
/// lag b − a (and, with strides, the same phase) sum over almost the same pixels. The ends of their ranges cut the image into
/// a few rectangles (<see cref="ConvolutionAxis.Cuts"/>), most of it one, borders and corners the others; each is multiplied
/// once, and a pair's block is the sum of the rectangles that it meets. So a 3×3 kernel with padding takes 13 products over the
/// images instead of 45, each pixel in one rectangle. Everything is added and nothing subtracted: the error is that of the
/// plain sum. Only lags that come first in reading order are computed; block(b, a) is the transpose.
/// <para>
/// A task computes one lag and phase for up to <see cref="TaskRows"/> of the channels of z(u), over all images. Pixels are
/// read where they are (<see cref="PixelTile{TSimd, TVector}"/>), some <see cref="DepthPixels"/> at a time, which stay in the first-level cache
/// for all tiles. Every lag reads all images again, so callers hand over as many as the cache holds.
/// </para>
/// <para>
/// Measured on two threads of an AMD EPYC with AVX-512 (peak 450 GF/s in the same hour), with everything around it: a 3×3 kernel
/// with padding 1 over 32 images of 64×32×32, 128×16×16 and 256×8×8 takes 8.3, 7.9 and 10.4 ms. Packing the pixels of every lag
/// into panels and multiplying the borders of every pair apart, as this did before, took 11.4, 10.6 and 13.7 ms. Images a multiple of
/// a cache way apart, which lines along the images pass, cost 20% at 128×16×16 and 10% at 256×8×8; copies have a gap between images.
/// </para>
/// </remarks>
internal static unsafe class LagCorrelation
{
    /// <summary>Channels that one task takes at most.</summary>
    private const int TaskRows = 48;

    /// <summary>Channels come in whole tiles of every height.</summary>
    private const int RowGrain = 16;

    /// <summary>Pixels that all tiles pass over before the next.</summary>
    private const int DepthPixels = 128;

    /// <summary>Computes the blocks: block (a, b), C×C, starts at <c>(a·k_h·k_w + b)·C²</c>; others than those computed stay as they are.</summary>
    /// <param name="accumulate">Whether to add to what the blocks hold.</param>
    public static void Run(CpuDevice device, ConvolutionImages images, bool accumulate, float* blocks)
    {
        var job = new Job(device, images, accumulate ? 1 : 0, blocks);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Job.Run<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Job.Run<Simd256, Vector256<float>>,
            _ => &Job.Run<Simd128, Vector128<float>>,
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
            int band = task % Bands;
            int phases = task / Bands % (Phases * Phases);
            int lags = task / Bands / (Phases * Phases);
            var lag = new Lag(lags / ColumnLags, (lags % ColumnLags) - images.Columns.Kernel + 1, phases / Phases, phases % Phases);
            if (lag.Rows > 0 || lag.Columns >= 0)
            {
                int start = BandStart(band);
                Correlate<TSimd, TVector>(lag, start, BandStart(band + 1) - start);
            }
        }

        private int BandStart(int band) =>
            band == Bands ? Channels : (int)((long)Channels * band / Bands / RowGrain) * RowGrain;

        private void Correlate<TSimd, TVector>(Lag lag, int channel, int channels)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ConvolutionAxis rows = images.Rows, columns = images.Columns;
            var product = new Product<TSimd, TVector>(images, lag, channel, channels);
            long size = product.Size;
            long products = 2L * rows.Kernel * size * sizeof(float);
            long offsets = 2 * images.MostLines * sizeof(long);
            using ScratchLease lease = device.Scratch.Rent(products + offsets + (2L * (rows.Kernel + columns.Kernel) * sizeof(int)));
            float* sums = lease.As<float>();
            long* lines = (long*)(lease.As<byte>() + products);
            int* down = (int*)(lines + (2 * images.MostLines));
            int* across = down + (2 * rows.Kernel);
            int downCuts = rows.Cuts(lag.Rows, lag.RowPhase, new Span<int>(down, 2 * rows.Kernel));
            int acrossCuts = columns.Cuts(lag.Columns, lag.ColumnPhase, new Span<int>(across, 2 * columns.Kernel));
            for (int j = 0; j + 1 < acrossCuts; j++)
            {
                for (int i = 0; i + 1 < downCuts; i++)
                {
                    var region = new PixelRegion(
                        new StepRange(down[i], down[i + 1]), new StepRange(across[j], across[j + 1]), lag.RowPhase, lag.ColumnPhase);
                    product.Compute(images.Lines(region, lines), sums + (i * size));
                }

                AddToBlocks<TSimd, TVector>(lag, channel, channels, sums, size, product.Width, new ReadOnlySpan<int>(down, downCuts), across[j]);
            }

            ClearEmpty(lag, channel, channels);
        }

        /// <summary>Adds a column of rectangles to the blocks of all pairs that meet it.</summary>
        /// <param name="down">Where the rectangles begin and end.</param>
        /// <param name="column">Where the column begins.</param>
        private void AddToBlocks<TSimd, TVector>(
            Lag lag, int channel, int channels, float* sums, long size, int width, ReadOnlySpan<int> down, int column)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ConvolutionAxis rows = images.Rows, columns = images.Columns;
            for (int a = 0; a < rows.Kernel; a++)
            {
                StepRange window = rows.MemberWindow(a, lag.Rows, lag.RowPhase);
                if (window.Count == 0)
                {
                    continue;
                }

                int first = down.IndexOf(window.Start);
                int count = down.IndexOf(window.End) - first;
                for (int b = 0; b < columns.Kernel; b++)
                {
                    StepRange range = columns.MemberWindow(b, lag.Columns, lag.ColumnPhase);
                    if (column >= range.Start && column < range.End)
                    {
                        float* block = Block(lag, a, b) + ((long)channel * Channels);
                        for (int i = 0; i < channels; i++)
                        {
                            GramSum<TSimd, TVector>.Row(
                                sums + (first * size) + ((long)i * width), size, count, Channels, 1, column == range.Start ? beta : 1, block + ((long)i * Channels));
                        }
                    }
                }
            }
        }

        /// <summary>Blocks of pairs that never meet two pixels at once are 0.</summary>
        private void ClearEmpty(Lag lag, int channel, int channels)
        {
            ConvolutionAxis rows = images.Rows, columns = images.Columns;
            for (int a = 0; a < rows.Kernel && beta == 0; a++)
            {
                for (int b = 0; b < columns.Kernel; b++)
                {
                    bool members = rows.IsMember(a, lag.Rows, lag.RowPhase) && columns.IsMember(b, lag.Columns, lag.ColumnPhase);
                    if (members && (rows.Window(a, lag.Rows).Count == 0 || columns.Window(b, lag.Columns).Count == 0))
                    {
                        new Span<float>(Block(lag, a, b) + ((long)channel * Channels), channels * Channels).Clear();
                    }
                }
            }
        }

        private float* Block(Lag lag, int a, int b)
        {
            int from = (a * images.Columns.Kernel) + b;
            int to = ((a + lag.Rows) * images.Columns.Kernel) + b + lag.Columns;
            return blocks + ((((long)from * images.Rows.Kernel * images.Columns.Kernel) + to) * Channels * Channels);
        }
    }

    /// <summary>Kernel elements from one to the other of a pair, and the phase of the first.</summary>
    private readonly record struct Lag(int Rows, int Columns, int RowPhase, int ColumnPhase)
    {
        public bool IsZero => Rows == 0 && Columns == 0;
    }

    /// <summary>The product of some channels of pixels with all channels of those that are a lag away.</summary>
    private readonly struct Product<TSimd, TVector>(ConvolutionImages images, Lag lag, int channel, int channels)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        /// <summary>Columns of the sums: all channels, in whole vectors.</summary>
        public int Width => (images.Channels + TSimd.Count - 1) / TSimd.Count * TSimd.Count;

        /// <summary>Elements of the sums: a row for each of the channels, in whole tiles.</summary>
        public long Size => (long)(channels + PixelTile<TSimd, TVector>.MostRows - 1) / PixelTile<TSimd, TVector>.MostRows * PixelTile<TSimd, TVector>.MostRows * Width;

        /// <summary><c>sums[i·Width + j]</c> over all pixels of the lines; undefined beyond the channels.</summary>
        public void Compute(TileLines lines, float* sums)
        {
            float beta = 0;
            for (int start = 0; start < lines.Run; start += DepthPixels)
            {
                int run = Math.Min(DepthPixels, lines.Run - start);
                int together = DepthPixels / run;
                for (int line = 0; line < lines.Count; line += together)
                {
                    nint offsets = lines.Offsets + (2 * line * sizeof(long));
                    TileLines some = lines with { Offsets = offsets, Count = Math.Min(together, lines.Count - line), Run = run };
                    Add(some, images.Pixels + (start * lines.StepA), beta, sums);
                    beta = 1;
                }
            }
        }

        private void Add(TileLines lines, float* pixels, float beta, float* sums)
        {
            float* moved = pixels + ((((long)lag.Rows * images.Rows.Dilation * images.Columns.Size) + (lag.Columns * images.Columns.Dilation)) * images.Pitch);

            // A block between a kernel element and itself is symmetric: nothing right of its diagonal tiles is needed.
            int end = lag.IsZero ? Math.Min(Width, channel + channels + TSimd.Count - 1) : Width;
            int vectors = end / TSimd.Count;
            for (int column = 0; vectors > 0;)
            {
                int taken = vectors is 2 or 4 ? 2 : Math.Min(3, vectors);
                int skipped = lag.IsZero ? Math.Max(0, column - channel) / PixelTile<TSimd, TVector>.MostRows * PixelTile<TSimd, TVector>.MostRows : 0;
                for (int row = skipped; row < channels; row += PixelTile<TSimd, TVector>.MostRows)
                {
                    PixelTile<TSimd, TVector>.Multiply(
                        PixelTile<TSimd, TVector>.MostRows, taken, lines, pixels + channel + row, 1, moved + column, beta, sums + ((long)row * Width) + column, Width);
                }

                column += taken * TSimd.Count;
                vectors -= taken;
            }
        }
    }
}
