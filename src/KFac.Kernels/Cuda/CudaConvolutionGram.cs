using System.Numerics;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="ConvolutionGram"/> on the GPU, without patches: convolution_gram.cu and convolution_windows.cu.</summary>
/// <remarks>
/// Expand copies images with their channels last, correlates pixels by pieces (<see cref="ConvolutionPieces"/>) and assembles the
/// blocks. Reduce sums windows into [M, groups·P] and multiplies those rows. All groups go through every kernel at once.
/// Memory: expand takes a copy of up to <see cref="BatchBytes"/> of images and the products of its ranges.
/// The first call for a shape makes its tables, which a stream that records cannot do: run it once before.
/// </remarks>
internal sealed unsafe class CudaConvolutionGram(CudaStream stream) : IConvolutionGramKernel
{
    private const long BatchBytes = 1L << 30;
    private const long BatchPixels = 1L << 30;
    private const int Threads = 256;
    private const int MostCopyBlocks = 1 << 16;
    private const int WindowThreads = 128;
    private const int WindowRows = 4;

    private static readonly Dictionary<MatrixPrecision, (string Module, string Small, string Large)> s_kernels =
        Enum.GetValues<MatrixPrecision>().ToDictionary(static precision => precision, Kernels);

    private readonly CudaGram _gram = new(stream);
    private readonly Dictionary<(ConvolutionShape Shape, int Images), ConvolutionTables> _tables = [];

    public void Expand(in ConvolutionGramArguments arguments)
    {
        ConvolutionShape shape = arguments.Shape;
        using CudaScratch.Scope scope = stream.Scratch.Open();
        if (arguments.Images == 0 || arguments.Alpha == 0)
        {
            var none = new GramRows(0, 0, 0, arguments.Gram.Columns) { Batch = shape.Groups };
            _gram.Accumulate(scope, none, arguments.Alpha, arguments.Beta, arguments.Gram);
            return;
        }

        int channels = shape.Channels / shape.Groups, stride = LaunchShape.Cover(channels, 4) * 4;
        long pixels = (long)shape.Height * shape.Width;
        long most = Math.Min(BatchPixels / pixels, BatchBytes / sizeof(float) / (shape.Groups * pixels * stride));
        int batch = (int)Math.Clamp(most, 1, arguments.Images);
        ConvolutionTables tables = Tables(shape, batch);
        long sumsSize = (long)tables.Pieces * channels * stride;
        var sums = new ConvolutionSums(scope.Take(sumsSize * shape.Groups * sizeof(float)), scope.Take(sumsSize * shape.Groups * sizeof(float)), sumsSize, stride);
        for (int first = 0; first < arguments.Images; first += batch)
        {
            Correlate(arguments, first, Math.Min(batch, arguments.Images - first), sums);
        }

        Assemble(arguments, scope, tables, sums);
    }

    public void Reduce(in ConvolutionGramArguments arguments)
    {
        ConvolutionShape shape = arguments.Shape;
        int width = arguments.Gram.Columns, groupStride = LaunchShape.Cover(width, 4) * 4;
        long rowStride = (long)shape.Groups * groupStride;
        int images = arguments.Images;
        float factor = Factor(arguments.Scale, shape.Positions);
        using CudaScratch.Scope scope = stream.Scratch.Open();
        nint rows = scope.Take(images * rowStride * sizeof(float));
        SumWindows(
            new ConvolutionWindowsArguments(shape, new CudaImages(arguments), rows, rowStride, groupStride)
            {
                Factor = factor,
                AppendOnes = arguments.AppendOnes ? 1 : 0,
                Ones = factor * shape.Positions,
            });
        var gramRows = new GramRows(rows, rowStride, images, width) { Batch = shape.Groups, BatchStride = groupStride };
        _gram.Accumulate(scope, gramRows, arguments.Alpha, arguments.Beta, arguments.Gram);
    }

    private static float Factor(SharingScale scale, int rows) => scale switch
    {
        SharingScale.Mean => 1f / rows,
        SharingScale.Sum => 1f,
        _ => (float)(1 / Math.Sqrt(rows)),
    };

    private static (string Module, string Small, string Large) Kernels(MatrixPrecision precision)
    {
        string name = ProductModule.Name(precision);
        string module = precision == MatrixPrecision.Float32 ? "convolution_gram" : $"convolution_gram_{name}";
        return (module, $"convolution_{name}_small", $"convolution_{name}_large");
    }

    /// <summary>The precision that keeps the error bound: beside the sum over R positions, pieces are added.</summary>
    private MatrixPrecision Precision(ConvolutionShape shape, int images)
    {
        long depth = ((long)shape.Positions * images) - 32 - (2L * shape.KernelHeight * shape.KernelWidth);
        return ProductModule.Effective(stream.Device.Precision, (int)Math.Clamp(depth, 0, int.MaxValue));
    }

    private ConvolutionTables Tables(ConvolutionShape shape, int images)
    {
        if (!_tables.TryGetValue((shape, images), out ConvolutionTables? tables))
        {
            tables = new ConvolutionTables(stream, shape, images);
            _tables.Add((shape, images), tables);
        }

        return tables;
    }

    private void Correlate(in ConvolutionGramArguments arguments, int first, int images, ConvolutionSums sums)
    {
        ConvolutionShape shape = arguments.Shape;
        ConvolutionTables tables = Tables(shape, images);
        if (tables.Items == 0)
        {
            return; // all outputs lie in the padding
        }

        int channels = shape.Channels / shape.Groups, size = shape.Height * shape.Width;
        using CudaScratch.Scope scope = stream.Scratch.Open();
        nint pixels = scope.Take((long)shape.Groups * images * size * sums.Stride * sizeof(float));
        CopyImages(shape, new CudaImages(arguments).Range(first, images), channels, sums.Stride, pixels);

        long partsSize = (long)tables.Slots * channels * sums.Stride;
        nint parts = scope.Take(partsSize * shape.Groups * sizeof(float));
        MatrixPrecision precision = Precision(shape, arguments.Images);
        (string module, string small, string large) = s_kernels[precision];
        stream.Queue.Launch(
            module,
            tables.Large ? large : small,
            ProductModule.Shape(precision, tables.Large, tables.Items, shape.Groups, 1),
            new ConvolutionCorrelateArguments(shape, tables, pixels, images, parts, partsSize, sums.Stride));

        int tiles = LaunchShape.Cover(channels, 32);
        stream.Queue.Launch(
            "convolution_gram",
            "convolution_sum",
            new LaunchShape(tiles * tiles, tables.Pieces, shape.Groups, Threads),
            new ConvolutionSumArguments(tables, parts, partsSize, sums, channels, accumulate: first > 0));
    }

    private void CopyImages(ConvolutionShape shape, CudaImages images, int channels, int stride, nint pixels)
    {
        int size = shape.Pixels;
        int planes = (int)Math.Min(LaunchShape.MaxGridYZ, (long)images.Count * shape.Groups);
        if (images.ChannelsLast)
        {
            stream.Queue.Launch(
                "convolution_gram",
                "convolution_copy",
                new LaunchShape((int)Math.Min(MostCopyBlocks, (((long)size * stride) + Threads - 1) / Threads), 1, planes, Threads),
                new ConvolutionCopyArguments(images.Address, pixels, images.Stride, images.PixelStride, images.Count, shape.Groups, channels, size, stride));
            return;
        }

        stream.Queue.Launch(
            "convolution_gram",
            "convolution_pack",
            new LaunchShape(LaunchShape.Cover(size, 32), LaunchShape.Cover(stride, 32), planes, Threads),
            new ConvolutionPackArguments(images.Address, pixels, images.Stride, images.Count, shape.Groups, channels, size, stride));
    }

    private void Assemble(in ConvolutionGramArguments arguments, CudaScratch.Scope scope, ConvolutionTables tables, ConvolutionSums sums)
    {
        ConvolutionShape shape = arguments.Shape;
        int channels = shape.Channels / shape.Groups;
        nint pixelSums = arguments.AppendOnes ? SumPatches(arguments, scope) : 0;
        var assemble = new ConvolutionAssembleArguments(arguments, tables, sums, pixelSums);
        Launch("convolution_assemble", LaunchShape.Cover(channels, 32), LaunchShape.Cover(channels, 8));
        if (arguments.AppendOnes)
        {
            Launch("convolution_ones", LaunchShape.Cover(arguments.Gram.Columns, Threads), 1);
        }

        int tiles = LaunchShape.Cover(arguments.Gram.Columns, 32);
        Launch("convolution_mirror", tiles, tiles);

        void Launch(string kernel, int across, int down) =>
            stream.Queue.Launch("convolution_gram", kernel, new LaunchShape(across, down, shape.Groups, Threads), assemble);
    }

    /// <summary>The sum of all patches of every group, by way of the sum of all images.</summary>
    private nint SumPatches(in ConvolutionGramArguments arguments, CudaScratch.Scope scope)
    {
        ConvolutionShape shape = arguments.Shape;
        var images = new CudaImages(arguments);
        nint image = scope.Take((long)images.Extent * sizeof(float));
        int lanes = Math.Max(8, Threads / (int)BitOperations.RoundUpToPowerOf2((uint)Math.Min(images.Count, Threads))); // few images: no idle threads
        var total = new GramArguments(arguments.X, images.Count, null, SharingScale.Sum, 1, 0, default, false);
        _gram.Reduce(new GramReduceArguments(total, image, images.Extent) { XStride = images.Stride, Columns = images.Extent }, 1, lanes);
        nint patch = scope.Take((long)shape.Groups * shape.PatchWidth * sizeof(float));
        SumWindows(new ConvolutionWindowsArguments(shape, images with { Address = image, Count = 1 }, patch, 0, shape.PatchWidth) { Factor = 1 });
        return patch;
    }

    private void SumWindows(ConvolutionWindowsArguments arguments)
    {
        if (arguments.PixelStride > 0)
        {
            long blocks = (long)arguments.Images * arguments.Groups * LaunchShape.Cover(arguments.Channels, 32);
            if (blocks > 0)
            {
                var shape = LaunchShape.Row(checked((int)blocks), Threads, (arguments.Height + arguments.Width) * sizeof(uint));
                stream.Queue.Launch("convolution_windows", "convolution_pixel_windows", shape, arguments);
            }

            return;
        }

        long planes = (long)arguments.Images * arguments.Groups * arguments.Channels;
        if (planes > 0)
        {
            int warps = WindowThreads / 32;
            int shared = (arguments.Height + (warps * WindowRows * arguments.KernelWidth)) * sizeof(float);
            stream.Queue.Launch(
                "convolution_windows", "convolution_windows", LaunchShape.Row(LaunchShape.Cover(planes, warps), WindowThreads, shared), arguments);
        }
    }
}

/// <summary>The sums of pieces and their transposes, [groups, pieces, channels, stride].</summary>
internal readonly record struct ConvolutionSums(nint Sums, nint Transposed, long GroupSize, int Stride);
