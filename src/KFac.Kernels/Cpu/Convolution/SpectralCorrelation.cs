using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>The Gram matrix of a convolution's patches through discrete Fourier transforms, for stride 1.</summary>
/// <remarks>
/// The block of kernel elements a and b is <c>Σ z(p + a)·z(p + b)ᵀ</c> over output positions p, z being the channels of a pixel.
/// Over all p it would be the autocorrelation of the images with zeros around them, at lag b − a; outputs end, and what is too much
/// are autocorrelations of strips along the borders (<see cref="SpectralAxis"/>). All of them come from spectra ẑ(f) of images and
/// strips: the cross-spectrum <c>Σ ẑ(f)·ẑ(f)ᴴ</c>, summed over images, is the transform of the autocorrelation, of which only the
/// kernel's lags are taken back. With n² frequencies this takes <c>¾·n²</c> multiply-adds for every image and pair of channels, and
/// about 3·n more for the borders, where <see cref="LagCorrelation"/> takes one for every pixel and each of 13 lags of a 3×3
/// kernel. n is little more than the side of an image and the largest lag: 36 for 32 (and 34), 18 for 16, 10 for 8.
/// <para>
/// Images are transformed some at a time (<see cref="ImageSpectrum"/>), so that their spectra are no larger than the images
/// themselves; then blocks of channels are multiplied, frequency after frequency (<see cref="SpectrumProducts"/>), and at the end
/// the Gram matrix is put together (<see cref="SpectralBlocks"/>).
/// </para>
/// <para>
/// What is subtracted is a part of what it is subtracted from, and Parseval's equation bounds every sum of products by the norms of
/// its channels: the error is small beside <c>‖zᵢ‖·‖zⱼ‖</c>, not beside each element. Measured against float64, over images with
/// large means and channels of 10⁻³ times the others: 2·10⁻⁷ of that, as by <see cref="LagCorrelation"/>.
/// </para>
/// </remarks>
internal static unsafe class SpectralCorrelation
{
    /// <summary>Bytes of spectra that are multiplied before the next images are transformed: part of a third-level cache.</summary>
    private const long ChunkBytes = 16 << 20;

    /// <summary>Fewer images, or channels, leave register tiles too short, or empty.</summary>
    private const int LeastImages = 8, LeastChannels = ImageSpectrum.Lanes;

    /// <summary>Time of transforming a complex number, in multiply-adds of a product.</summary>
    private const double TransformCost = 128;

    /// <summary>Time of a multiply-add of <see cref="LagCorrelation"/>, of which borders are small products, in multiply-adds of a
    /// long one.</summary>
    private const double DirectCost = 1.2;

    /// <summary><c>gram ← α·X̃ᵀX̃ + β·gram</c>, without appended ones, where this is the faster way.</summary>
    /// <returns>Whether it is; otherwise nothing has been written.</returns>
    public static bool TryRun(CpuDevice device, ConvolutionGroup group, float alpha, float beta)
    {
        bool isPossible = SpectralAxis.Fits(group.Rows) && SpectralAxis.Fits(group.Columns) && group.Rows.Kernel * group.Columns.Kernel > 1;
        if (!isPossible || group.Images < LeastImages || group.Channels < LeastChannels)
        {
            return false;
        }

        int count = SpectralPlan.CountSpectra(group);
        int chunk = Chunk(group, count);
        if (!IsFaster(group, count, chunk))
        {
            return false;
        }

        using ScratchLease tables = device.Scratch.Rent(SpectralPlan.Bytes(group));
        var plan = new SpectralPlan(group, tables.As<byte>());
        using ScratchLease spectra = device.Scratch.Rent(plan.Spectra * plan.SpectrumElements(chunk) * sizeof(float));
        using ScratchLease correlations = device.Scratch.Rent(plan.Splits * plan.SplitElements * sizeof(float));
        for (int first = 0; first < group.Images; first += chunk)
        {
            int images = Math.Min(chunk, group.Images - first);
            Transform(device, plan, group, first, images, spectra.As<float>());
            SpectrumProducts.Run(device, plan, spectra.As<float>(), images, first > 0, correlations.As<float>());
        }

        SpectralBlocks.Run(device, plan, correlations.As<float>(), alpha, beta, group.Gram, group.GramStride);
        return true;
    }

    /// <summary>Images whose spectra are no larger than all images and the result together; chunks are of about the same size.</summary>
    private static int Chunk(ConvolutionGroup group, int spectra)
    {
        long image = spectra * SpectralPlan.SpectrumElements(group, 1);
        long most = Math.Min(SpectralPlan.MostElementsOf(group), ChunkBytes / sizeof(float));
        long chunks = Math.Min(group.Images, 1 + (((group.Images * image) - 1) / most));
        return (int)((group.Images + chunks - 1) / chunks);
    }

    /// <summary>Compares multiply-adds of products, of sums over frequencies and of transforms with those of the lags.</summary>
    private static bool IsFaster(ConvolutionGroup group, int spectra, int chunk)
    {
        double channels = group.Channels, images = group.Images;
        double lags = ((2.0 * group.Rows.Kernel) - 1) * ((2.0 * group.Columns.Kernel) - 1);
        double direct = lags / 2 * group.Pixels * channels * channels * images;
        double pairs = channels * (channels + ImageSpectrum.Lanes) / 2;
        double sums = Math.Ceiling(images / chunk) * 2 * ((2 * SpectralAxis.LagsOf(group.Rows, group.Rows.Size)) + 1);
        double products = spectra * pairs * ((3 * images) + sums);
        return products + (TransformCost * spectra * channels * images) < DirectCost * direct;
    }

    private static void Transform(CpuDevice device, in SpectralPlan plan, ConvolutionGroup group, int first, int images, float* spectra)
    {
        var job = new TransformJob(device, plan, group, first, images, spectra);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &TransformJob.Run<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &TransformJob.Run<Simd256, Vector256<float>>,
            _ => &TransformJob.Run<Simd128, Vector128<float>>,
        };
        device.Workers.Run(job.Tasks, body, Unsafe.AsPointer(ref job));
    }

    /// <summary>A task transforms one image in sixteen of its channels.</summary>
    private readonly struct TransformJob(CpuDevice device, SpectralPlan plan, ConvolutionGroup group, int first, int images, float* spectra)
    {
        private readonly SpectralPlan _plan = plan;

        private int Bands => (_plan.Channels + ImageSpectrum.Lanes - 1) / ImageSpectrum.Lanes;

        public int Tasks => images * Bands;

        public static void Run<TSimd, TVector>(void* context, int task)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ref TransformJob job = ref Unsafe.AsRef<TransformJob>(context);
            job.RunTask<TSimd, TVector>(task / job.Bands, task % job.Bands);
        }

        private void RunTask<TSimd, TVector>(int image, int band)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            int channel = band * ImageSpectrum.Lanes;
            int channels = Math.Min(ImageSpectrum.Lanes, _plan.Channels - channel);
            long copy = group.ChannelsLast ? 0 : (long)group.Pixels * ImageSpectrum.Lanes;
            long work = ImageSpectrum.ScratchBytes(_plan);
            using ScratchLease lease = device.Scratch.Rent(work + (copy * sizeof(float)));
            float* pixels = group.X + ((first + image) * group.ImageStride) + (channel * group.ChannelStride);
            long stride = group.PixelStride;
            if (!group.ChannelsLast)
            {
                float* last = (float*)(lease.As<byte>() + work);
                var planes = new StridedMatrix(pixels, 1, group.ChannelStride);
                PanelTranspose<TSimd, TVector>.Run(last, ImageSpectrum.Lanes, group.Pixels, channels, planes);
                pixels = last;
                stride = ImageSpectrum.Lanes;
            }

            int block = channel / _plan.BlockChannels;
            float* target = spectra + ((((long)block * images) + image) * 2 * _plan.BlockChannels) + (channel % _plan.BlockChannels);
            ImageSpectrum.Run<TSimd, TVector>(_plan, pixels, stride, channels, lease.As<float>(), target, _plan.SpectrumElements(images));
        }
    }
}
