using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Attention"/> on the GPU: attention_kernel.cuh. Each result is walked over by tiles; a launch a result.</summary>
internal sealed class CudaAttention(CudaStream stream) : IAttentionKernel
{
    private const int Tile = 64;
    private const int Threads = 128;
    private const int Stages = 3;
    private const int DeltaThreads = 256;
    private const int DeltaMostBlocks = 1 << 14;

    /// <summary>Slices of both factors, and a tile of weights.</summary>
    private const int SharedBytes = ((Stages * 2 * Tile * ProductPlan.SliceDepth) + (Tile * Tile)) * sizeof(float);

    private static readonly Dictionary<MatrixPrecision, AttentionKernelNames> s_kernels =
        Enum.GetValues<MatrixPrecision>().ToDictionary(static precision => precision, static precision => new AttentionKernelNames(precision));

    public void Forward(in AttentionArguments arguments)
    {
        AttentionShape shape = arguments.Shape;
        AttentionKernelNames kernels = Kernels(shape);
        var result = new AttentionResult(arguments.Outputs, 0, shape.Queries, shape.ValueWidth);
        Launch(kernels.Module, kernels.Forward, new AttentionKernelArguments(arguments, result), result, shape.Examples * shape.Heads);
    }

    public void Backward(in AttentionArguments arguments, in AttentionGradients gradients)
    {
        AttentionShape shape = arguments.Shape;
        using CudaScratch.Scope scratch = stream.Scratch.Open();
        nint deltas = scratch.Take((long)gradients.Outputs.Rows * shape.Heads * sizeof(float));
        if (gradients.Outputs.Rows > 0)
        {
            long warps = (long)gradients.Outputs.Rows * shape.Heads;
            int blocks = (int)Math.Min((warps + (DeltaThreads / 32) - 1) / (DeltaThreads / 32), DeltaMostBlocks);
            var deltaArguments = new AttentionDeltaArguments(arguments, gradients.Outputs, deltas);
            stream.Queue.Launch("attention", "attention_delta", LaunchShape.Row(blocks, DeltaThreads), deltaArguments);
        }

        AttentionKernelNames kernels = Kernels(shape);
        Gradient(kernels.QueryGradient, new AttentionResult(gradients.Queries.Matrix, gradients.Queries.Beta, shape.Queries, shape.KeyWidth), arguments, gradients);
        Gradient(kernels.KeyGradient, new AttentionResult(gradients.Keys.Matrix, gradients.Keys.Beta, shape.Keys, shape.KeyWidth), arguments, gradients);
        Gradient(kernels.ValueGradient, new AttentionResult(gradients.Values.Matrix, gradients.Values.Beta, shape.Keys, shape.ValueWidth), arguments, gradients);

        void Gradient(string kernel, in AttentionResult result, in AttentionArguments arguments, in AttentionGradients gradients)
        {
            var kernelArguments = new AttentionKernelArguments(arguments, gradients.Outputs, deltas, result);
            Launch(kernels.Module, kernel, kernelArguments, result, gradients.Seeds * shape.Examples * shape.Heads);
        }
    }

    private void Launch(string module, string kernel, in AttentionKernelArguments arguments, in AttentionResult result, int heads)
    {
        int blocks = checked(LaunchShape.Cover(result.Rows, Tile) * LaunchShape.Cover(result.Width, Tile) * heads);
        if (blocks > 0)
        {
            stream.Queue.Launch(module, kernel, LaunchShape.Row(blocks, Threads, SharedBytes), arguments);
        }
    }

    /// <summary>Every size is what one of the products sums over, so the shortest decides on the precision.</summary>
    private AttentionKernelNames Kernels(AttentionShape shape) => s_kernels[ProductModule.Effective(
        stream.Device.Precision, Math.Min(Math.Min(shape.KeyWidth, shape.ValueWidth), Math.Min(shape.Keys, shape.Queries)))];
}

/// <summary>Kernels of one precision.</summary>
internal sealed class AttentionKernelNames(MatrixPrecision precision)
{
    public string Module { get; } = precision == MatrixPrecision.Float32 ? "attention" : $"attention_{ProductModule.Name(precision)}";

    public string Forward { get; } = $"attention_{ProductModule.Name(precision)}_forward";

    public string QueryGradient { get; } = $"attention_{ProductModule.Name(precision)}_query_gradient";

    public string KeyGradient { get; } = $"attention_{ProductModule.Name(precision)}_key_gradient";

    public string ValueGradient { get; } = $"attention_{ProductModule.Name(precision)}_value_gradient";
}

/// <summary>What a kernel writes.</summary>
/// <param name="Beta">Of what the matrix holds.</param>
/// <param name="Rows">Of a sequence.</param>
/// <param name="Width">Columns of a head.</param>
internal readonly record struct AttentionResult(MatrixView<float> Matrix, float Beta, int Rows, int Width);

/// <summary>Mirrors <c>AttentionKernelArguments</c> of attention_kernel.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct AttentionKernelArguments
{
    public readonly nint Queries;
    public readonly nint Keys;
    public readonly nint Values;
    public readonly nint OutputGradients;
    public readonly nint Deltas;
    public readonly nint KeyCounts;
    public readonly nint LogSums;
    public readonly nint Result;
    public readonly long QueryStride;
    public readonly long KeyStride;
    public readonly long ValueStride;
    public readonly long OutputGradientStride;
    public readonly long LogSumStride;
    public readonly long ResultStride;
    public readonly int Examples;
    public readonly int Heads;
    public readonly int QueryCount;
    public readonly int KeyCount;
    public readonly int KeyWidth;
    public readonly int ValueWidth;
    public readonly int Causal;
    public readonly int Aligned;
    public readonly float Scale;
    public readonly float Beta;

    public AttentionKernelArguments(in AttentionArguments arguments, in AttentionResult result)
        : this(arguments, default, 0, result)
    {
    }

    public AttentionKernelArguments(in AttentionArguments arguments, MatrixView<float> outputGradients, nint deltas, in AttentionResult result)
    {
        AttentionShape shape = arguments.Shape;
        (Queries, QueryStride) = ((nint)arguments.Queries.Pointer, arguments.Queries.RowStride);
        (Keys, KeyStride) = ((nint)arguments.Keys.Pointer, arguments.Keys.RowStride);
        (Values, ValueStride) = ((nint)arguments.Values.Pointer, arguments.Values.RowStride);
        (OutputGradients, OutputGradientStride) = ((nint)outputGradients.Pointer, outputGradients.RowStride);
        (LogSums, LogSumStride) = ((nint)arguments.LogSums.Pointer, arguments.LogSums.RowStride);
        (Result, ResultStride) = ((nint)result.Matrix.Pointer, result.Matrix.RowStride);
        (Deltas, KeyCounts) = (deltas, (nint)arguments.Mask.KeyCounts.Pointer);
        (Examples, Heads) = (shape.Examples, shape.Heads);
        (QueryCount, KeyCount, KeyWidth, ValueWidth) = (shape.Queries, shape.Keys, shape.KeyWidth, shape.ValueWidth);
        (Causal, Scale, Beta) = (arguments.Mask.Causal ? 1 : 0, arguments.Scale, result.Beta);
        Aligned = Flag(arguments.Queries, KeyWidth, 1) | Flag(arguments.Keys, KeyWidth, 2) | Flag(arguments.Values, ValueWidth, 4)
            | Flag(outputGradients, ValueWidth, 8) | Flag(result.Matrix, result.Width, 16);
    }

    private static int Flag(MatrixView<float> matrix, int width, int flag) =>
        width % 4 == 0 && ProductModule.IsAligned((nint)matrix.Pointer, matrix.RowStride) ? flag : 0;
}

/// <summary>Mirrors <c>AttentionDeltaArguments</c> of attention.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct AttentionDeltaArguments(in AttentionArguments arguments, MatrixView<float> outputGradients, nint deltas)
{
    public readonly nint Outputs = (nint)arguments.Outputs.Pointer;
    public readonly nint OutputGradients = (nint)outputGradients.Pointer;
    public readonly nint Deltas = deltas;
    public readonly long OutputStride = arguments.Outputs.RowStride;
    public readonly long OutputGradientStride = outputGradients.RowStride;
    public readonly long GradientRows = outputGradients.Rows;
    public readonly int Rows = arguments.Outputs.Rows;
    public readonly int Heads = arguments.Shape.Heads;
    public readonly int Width = arguments.Shape.ValueWidth;
}
