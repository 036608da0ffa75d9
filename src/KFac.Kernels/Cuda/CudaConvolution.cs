namespace KFac.Kernels.Cuda;

/// <summary><see cref="Convolution"/> on the GPU: convolution_kernel.cuh. Patches are formed in shared memory, never in the GPU's.</summary>
internal sealed unsafe class CudaConvolution(CudaStream stream) : IConvolutionKernel
{
    private const int LargeTile = 128;
    private const int SmallTile = 64;
    private const int Threads = 256;

    private static readonly Dictionary<MatrixPrecision, ConvolutionKernelNames> s_kernels =
        Enum.GetValues<MatrixPrecision>().ToDictionary(static precision => precision, static precision => new ConvolutionKernelNames(precision));

    public void Forward(in ConvolutionArguments arguments)
    {
        ConvolutionShape shape = arguments.Shape;
        var target = new ConvolutionTarget(shape.OutputHeight, shape.OutputWidth, 1, 0, 0);
        PatchAxis down = PatchAxis.Forward(shape.Height, shape.OutputHeight, shape.KernelHeight, shape);
        PatchAxis across = PatchAxis.Forward(shape.Width, shape.OutputWidth, shape.KernelWidth, shape);
        Convolve(arguments, arguments.X, arguments.Y, 0, target, (down, KernelElements.All(down)), (across, KernelElements.All(across)), isAdjoint: false);
    }

    public void InputGradient(in ConvolutionArguments arguments)
    {
        ConvolutionShape shape = arguments.Shape;
        for (int row = 0; row < Math.Min(shape.Stride, shape.Height); row++)
        {
            for (int column = 0; column < Math.Min(shape.Stride, shape.Width); column++)
            {
                var target = new ConvolutionTarget(shape.Height, shape.Width, shape.Stride, row, column);
                KernelElements rows = KernelElements.OfPhase(row, shape.KernelHeight, shape);
                KernelElements columns = KernelElements.OfPhase(column, shape.KernelWidth, shape);
                PatchAxis down = PatchAxis.Adjoint(shape.Height, shape.OutputHeight, row, rows, shape);
                PatchAxis across = PatchAxis.Adjoint(shape.Width, shape.OutputWidth, column, columns, shape);
                Convolve(arguments, arguments.Y, arguments.X, arguments.Beta, target, (down, rows), (across, columns), isAdjoint: true);
            }
        }
    }

    public void WeightGradient(in ConvolutionArguments arguments)
    {
        ConvolutionShape shape = arguments.Shape;
        int outputs = arguments.Weights.Rows;
        if (outputs == 0)
        {
            return;
        }

        PatchAxis down = PatchAxis.Forward(shape.Height, shape.OutputHeight, shape.KernelHeight, shape);
        PatchAxis across = PatchAxis.Forward(shape.Width, shape.OutputWidth, shape.KernelWidth, shape);
        int channels = LaunchShape.Cover(shape.Channels, 4) * 4;
        int width = checked(down.Taps * across.Taps * channels);
        int positions = arguments.Y.Rows;
        ProductPlan plan = ProductPlan.ForProduct(stream.Properties, outputs, width, Math.Max(positions, 1), 1);
        int ranges = positions == 0 ? 0 : plan.Parts;
        using CudaScratch.Scope scratch = stream.Scratch.Open();
        nint parts = scratch.Take((long)ranges * outputs * width * sizeof(float));
        nint columnSums = arguments.HasBias ? scratch.Take((long)ranges * outputs * sizeof(float)) : 0;
        if (ranges > 0)
        {
            MatrixPrecision precision = ProductModule.Effective(stream.Device.Precision, positions);
            ConvolutionKernelNames kernels = s_kernels[precision];
            int tiles = checked(LaunchShape.Cover(outputs, plan.Tile) * LaunchShape.Cover(width, plan.Tile));
            var kernelArguments = new ConvolutionKernelArguments(arguments.X, down, across, arguments.Images, shape.Channels, outputs)
            {
                Gradient = (nint)arguments.Y.Pointer,
                GradientStride = arguments.Y.RowStride,
                Y = parts,
                ColumnSums = columnSums,
                PartDepth = plan.PartDepth,
                Aligned = Flag(arguments.X, 1) | Flag(arguments.Y, 4),
            };
            stream.Queue.Launch(
                kernels.Module, kernels.WeightGradient(plan.Large), ProductModule.Shape(precision, plan.Large, tiles, ranges, 1), kernelArguments);
        }

        var finish = new ConvolutionFinishArguments(arguments, parts, columnSums, ranges, channels);
        int elements = checked(outputs * arguments.Weights.Columns);
        stream.Queue.Launch("convolution", "convolution_finish", LaunchShape.Row(LaunchShape.Cover(elements, Threads), Threads), finish);
    }

    private static int Flag(MatrixView<float> matrix, int flag) => ProductModule.IsAligned((nint)matrix.Pointer, matrix.RowStride) ? flag : 0;

    private void Convolve(
        in ConvolutionArguments arguments,
        MatrixView<float> source,
        MatrixView<float> result,
        float beta,
        ConvolutionTarget target,
        (PatchAxis Axis, KernelElements Taps) down,
        (PatchAxis Axis, KernelElements Taps) across,
        bool isAdjoint)
    {
        long positions = (long)arguments.Images * down.Axis.Positions * across.Axis.Positions;
        if (positions == 0 || result.Columns == 0)
        {
            return;
        }

        int channels = LaunchShape.Cover(source.Columns, 4) * 4;
        int depth = checked(down.Axis.Taps * across.Axis.Taps * channels);
        using CudaScratch.Scope scratch = stream.Scratch.Open();
        nint weights = scratch.Take((long)result.Columns * depth * sizeof(float));
        if (depth > 0)
        {
            var permute = new ConvolutionWeightArguments(arguments, weights, isAdjoint, result.Columns, source.Columns, down.Taps, across.Taps);
            LaunchShape shape = LaunchShape.Row(LaunchShape.Cover((long)result.Columns * depth, Threads), Threads);
            stream.Queue.Launch("convolution", "permute_weights", shape, permute);
        }

        MatrixPrecision precision = ProductModule.Effective(stream.Device.Precision, down.Axis.Taps * across.Axis.Taps * source.Columns);
        ConvolutionKernelNames kernels = s_kernels[precision];
        bool large = Tiles(positions, result.Columns, LargeTile) >= stream.Properties.Multiprocessors;
        int tiles = Tiles(positions, result.Columns, large ? LargeTile : SmallTile);
        bool hasBias = arguments.HasBias && !isAdjoint;
        var kernelArguments = new ConvolutionKernelArguments(source, down.Axis, across.Axis, arguments.Images, source.Columns, result.Columns)
        {
            Weights = weights,
            Bias = hasBias ? (nint)(arguments.Weights.Pointer + arguments.Shape.PatchWidth) : 0,
            BiasStride = arguments.Weights.RowStride,
            Y = (nint)result.Pointer,
            YStride = result.RowStride,
            Target = target,
            Aligned = Flag(source, 1) | Flag(result, 2),
            Beta = beta,
        };
        stream.Queue.Launch(kernels.Module, kernels.Convolve(large), ProductModule.Shape(precision, large, tiles, 1, 1), kernelArguments);
    }

    private static int Tiles(long rows, int columns, int tile) => checked(LaunchShape.Cover(rows, tile) * LaunchShape.Cover(columns, tile));
}

/// <summary>Kernels of one precision.</summary>
internal sealed class ConvolutionKernelNames(MatrixPrecision precision)
{
    private readonly string[] _convolve = [$"convolve_{ProductModule.Name(precision)}_small", $"convolve_{ProductModule.Name(precision)}_large"];
    private readonly string[] _gradient = [$"weight_gradient_{ProductModule.Name(precision)}_small", $"weight_gradient_{ProductModule.Name(precision)}_large"];

    public string Module { get; } = precision == MatrixPrecision.Float32 ? "convolution" : $"convolution_{ProductModule.Name(precision)}";

    public string Convolve(bool large) => _convolve[large ? 1 : 0];

    public string WeightGradient(bool large) => _gradient[large ? 1 : 0];
}
