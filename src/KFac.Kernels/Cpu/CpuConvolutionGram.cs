using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="ConvolutionGram"/> on the CPU, without patches: correlations of pixels, by lags or by spectra, for expand, window sums for reduce.</summary>
/// <remarks>Few channels fill no register tile: their patches are multiplied a few lines at a time (<see cref="NarrowGram"/>, <see cref="PatchGram"/>).
/// Memory: otherwise expand takes a copy of a few images of a group with their channels last, which stays in the cache while
/// every lag reads it, and one factor of the group; images that lie so already are not copied. By spectra (<see cref="SpectralCorrelation"/>) it takes those of some images,
/// no more than the images and the factor together. Reduce takes the [M, P] sums
/// of one group.</remarks>
internal sealed unsafe class CpuConvolutionGram(CpuDevice device) : IConvolutionGramKernel
{
    /// <summary>Bytes of images that are correlated before the next ones.</summary>
    private const int BatchBytes = 2 << 20;

    /// <summary>Channels of a group from which on correlating pixels is faster than multiplying patches.</summary>
    private const int LeastChannels = 8;

    private readonly CpuSegmentReduce _reduction = new(device);

    public void Expand(in ConvolutionGramArguments arguments)
    {
        for (int group = 0; group < arguments.Shape.Groups; group++)
        {
            ExpandGroup(arguments, new ConvolutionGroup(arguments, group));
        }
    }

    public void Reduce(in ConvolutionGramArguments arguments)
    {
        for (int group = 0; group < arguments.Shape.Groups; group++)
        {
            ReduceGroup(arguments, new ConvolutionGroup(arguments, group));
        }
    }

    private void ExpandGroup(in ConvolutionGramArguments arguments, ConvolutionGroup group)
    {
        int images = arguments.Images;
        int elements = arguments.Shape.KernelHeight * arguments.Shape.KernelWidth;
        int patch = arguments.Shape.PatchWidth;
        if (images == 0 || arguments.Alpha == 0)
        {
            GramCore.Accumulate(device, new GramRows(default, 0, group.Width, false), 0, arguments.Beta, group.Gram, group.GramStride);
            return;
        }

        if (NarrowGram.Suits(group))
        {
            NarrowGram.Run(device, group, arguments.AppendOnes, arguments.Alpha, arguments.Beta);
            return;
        }

        if (group.Channels < LeastChannels && arguments.Shape.Dilation == 1)
        {
            PatchGram.Run(device, group, arguments.AppendOnes, arguments.Alpha, arguments.Beta);
            return;
        }

        if (group is { PixelsArePatches: true, ChannelsLast: true })
        {
            var pixels = new StridedMatrix(group.X, group.PixelStride, 1);
            CpuGram.Accumulate(
                device, new GramRows(pixels, images * group.Pixels, group.Channels, arguments.AppendOnes), arguments.Alpha, arguments.Beta, group.Gram, group.GramStride);
            return;
        }

        if (SpectralCorrelation.TryRun(device, group, arguments.Alpha, arguments.Beta))
        {
            if (arguments.AppendOnes)
            {
                WriteOnes(arguments, group);
            }

            return;
        }

        int batch = Batch(group);
        bool ready = ConvolutionImages.LieReady(group);
        using ScratchLease copy = device.Scratch.Rent(ready ? 0 : ConvolutionImages.Bytes(batch, group.Channels, group.Rows, group.Columns));
        if (group.PixelsArePatches)
        {
            for (int first = 0; first < images; first += batch)
            {
                AddPixels(arguments, group, CopyImages(group, first, batch, copy.As<float>()), first > 0 ? 1 : arguments.Beta);
            }

            return;
        }

        using ScratchLease blocks = device.Scratch.Rent((long)patch * patch * sizeof(float));
        for (int first = 0; first < images; first += batch)
        {
            ConvolutionImages some = ready ? InPlace(group, first, batch) : CopyImages(group, first, batch, copy.As<float>());
            LagCorrelation.Run(device, some, first > 0, blocks.As<float>());
        }

        BlockInterleave.Run(
            device, blocks.As<float>(), group.Channels, elements, arguments.Alpha, arguments.Beta, group.Gram, group.GramStride);
        if (arguments.AppendOnes)
        {
            WriteOnes(arguments, group);
        }
    }

    /// <summary>Images of a batch: batches are of about the same size.</summary>
    private static int Batch(ConvolutionGroup group)
    {
        long bytes = ConvolutionImages.Bytes(group.Images, group.Channels, group.Rows, group.Columns);
        long batches = Math.Clamp((bytes + (BatchBytes / 2)) / BatchBytes, 1, group.Images);
        return (int)((group.Images + batches - 1) / batches);
    }

    /// <summary>A kernel of one element that meets every pixel: the pixels are rows as they are.</summary>
    private void AddPixels(in ConvolutionGramArguments arguments, ConvolutionGroup group, ConvolutionImages images, float beta)
    {
        var rows = new GramRows(
            new StridedMatrix(images.Pixels, images.Pitch, 1), images.Count * group.Pixels, group.Channels, arguments.AppendOnes);
        GramCore.Accumulate(device, rows, arguments.Alpha, beta, group.Gram, group.GramStride);
    }

    private void ReduceGroup(in ConvolutionGramArguments arguments, ConvolutionGroup group)
    {
        int images = arguments.Images;
        float factor = CpuSegmentReduce.Factor(arguments.Scale, arguments.Shape.Positions);
        using ScratchLease lease = device.Scratch.Rent((long)images * group.Width * sizeof(float));
        float* sums = lease.As<float>();
        SumWindows(group, arguments.Scale, arguments.Shape.Positions, sums);
        if (arguments.AppendOnes)
        {
            for (int n = 0; n < images; n++)
            {
                sums[(((long)n + 1) * group.Width) - 1] = factor * arguments.Shape.Positions;
            }
        }

        var rows = new GramRows(new StridedMatrix(sums, group.Width, 1), images, group.Width, false);
        CpuGram.Accumulate(device, rows, arguments.Alpha, arguments.Beta, group.Gram, group.GramStride);
    }

    /// <summary>The last row and column: sums of the patches over images and positions, and the number of patches in the corner.</summary>
    private void WriteOnes(in ConvolutionGramArguments arguments, ConvolutionGroup group)
    {
        int images = arguments.Images;
        int patch = group.Width - 1;
        using ScratchLease lease = device.Scratch.Rent((long)images * group.Width * sizeof(float));
        float* sums = lease.As<float>();
        SumWindows(group, SharingScale.Sum, arguments.Shape.Positions, sums);
        float* last = group.Gram + (patch * group.GramStride);
        sums[patch] = (float)((long)images * arguments.Shape.Positions);
        for (int n = 1; n < images; n++)
        {
            for (int j = 0; j < patch; j++)
            {
                sums[j] += sums[((long)n * group.Width) + j];
            }
        }

        for (int j = 0; j <= patch; j++)
        {
            last[j] = arguments.Beta == 0 ? arguments.Alpha * sums[j] : (arguments.Alpha * sums[j]) + (arguments.Beta * last[j]);
            group.Gram[(j * group.GramStride) + patch] = last[j];
        }
    }

    /// <summary>Sums over the positions of each image, scaled; pixels that are patches are rows that are summed as they lie.</summary>
    private void SumWindows(ConvolutionGroup group, SharingScale scale, int positions, float* sums)
    {
        float factor = CpuSegmentReduce.Factor(scale, positions);
        if (group is { ChannelsLast: true, PixelsArePatches: true })
        {
            _reduction.Reduce(group.X, group.PixelStride, group.Channels, positions, scale, group.Images, sums, group.Width);
        }
        else if (group.ChannelsLast)
        {
            PixelWindowSums.Run(device, group, factor, sums, group.Width);
        }
        else
        {
            WindowSums.Run(device, group, factor, sums, group.Width);
        }
    }

    private static ConvolutionImages InPlace(ConvolutionGroup group, int first, int batch) =>
        new(group.X + (first * group.ImageStride), group.PixelStride, group.ImageStride, Math.Min(batch, group.Images - first), group.Channels, group.Rows, group.Columns);

    /// <summary>Copies a batch of images, or what is left of one, channels last.</summary>
    private ConvolutionImages CopyImages(ConvolutionGroup group, int first, int batch, float* copy)
    {
        var images = ConvolutionImages.Copies(copy, Math.Min(batch, group.Images - first), group.Channels, group.Rows, group.Columns);
        var job = new CopyJob(images, group, first);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &CopyJob.Run<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &CopyJob.Run<Simd256, Vector256<float>>,
            _ => &CopyJob.Run<Simd128, Vector128<float>>,
        };
        device.Workers.Run(images.Count, body, &job);
        return images;
    }

    private readonly struct CopyJob(ConvolutionImages images, ConvolutionGroup group, int first)
    {
        private readonly ConvolutionImages _images = images;
        private readonly ConvolutionGroup _group = group;

        public static void Run<TSimd, TVector>(void* context, int image)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ref CopyJob job = ref Unsafe.AsRef<CopyJob>(context);
            job._images.Copy<TSimd, TVector>(image, job._group, job.First);
        }

        private int First => first;
    }
}
