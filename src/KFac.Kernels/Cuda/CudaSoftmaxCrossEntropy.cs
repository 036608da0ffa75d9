using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="SoftmaxCrossEntropy"/> on the GPU.</summary>
internal sealed unsafe class CudaSoftmaxCrossEntropy(CudaStream stream) : ISoftmaxCrossEntropyKernel
{
    private const string Module = "softmax_cross_entropy";
    private const int MostBlocks = 1 << 14;

    public void Forward(
        MatrixView<float> logits, VectorView<int> labels, MatrixView<float> probabilities, VectorView<float> losses, float smoothing)
    {
        if (logits.IsEmpty)
        {
            return;
        }

        ElementRange range = ElementRange.ByRows(logits.Rows, logits, probabilities);
        RowGrid grid = RowGrid.Of(range);
        stream.Queue.Launch(
            Module,
            grid.ByWarps ? "forward_by_warps" : "forward_by_blocks",
            grid.Shape,
            new SoftmaxCrossEntropyArguments(logits, labels, probabilities, range) { Losses = (nint)losses.Pointer, Smoothing = smoothing });
    }

    public void Gradient(
        MatrixView<float> probabilities, VectorView<int> labels, float scale, MatrixView<float> gradient, float smoothing)
    {
        if (!gradient.IsEmpty)
        {
            ElementRange range = ElementRange.ByRows(gradient.Rows, probabilities, gradient);
            stream.Queue.Launch(
                Module,
                "gradient",
                range.Shape,
                new SoftmaxCrossEntropyArguments(probabilities, labels, gradient, range) { Scale = scale, Smoothing = smoothing });
        }
    }

    public void Sample(MatrixView<float> probabilities, VectorView<int> labels, DeviceKey key, ulong offset, VectorView<int> sampled)
    {
        if (sampled.IsEmpty)
        {
            return;
        }

        ElementRange range = ElementRange.ByRows(probabilities.Rows, probabilities);
        stream.Queue.Launch(
            Module,
            "sample",
            RowGrid.RowsByWarps(range, MostBlocks),
            new SoftmaxCrossEntropyArguments(probabilities, labels, default, range)
            {
                Sampled = (nint)sampled.Pointer,
                Key = new PhiloxKeyArguments(key),
                Offset = offset,
            });
    }

    public void HessianRoot(MatrixView<float> probabilities, VectorView<int> labels, int firstColumn, MatrixView<float> columns)
    {
        if (!columns.IsEmpty)
        {
            ElementRange range = ElementRange.ByRows(columns.Rows, probabilities, columns);
            stream.Queue.Launch(
                Module,
                "hessian_root",
                range.Shape,
                new SoftmaxCrossEntropyArguments(probabilities, labels, columns, range) { FirstColumn = firstColumn });
        }
    }
}

/// <summary>Mirrors <c>SoftmaxCrossEntropyArguments</c> of softmax_cross_entropy.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct SoftmaxCrossEntropyArguments(
    MatrixView<float> input, VectorView<int> labels, MatrixView<float> output, ElementRange range)
{
    public readonly nint Input = (nint)input.Pointer;
    public readonly nint Labels = (nint)labels.Pointer;
    public readonly nint Output = (nint)output.Pointer;

    public nint Losses { get; init; }

    public nint Sampled { get; init; }

    public PhiloxKeyArguments Key { get; init; }

    public ulong Offset { get; init; }

    public readonly long InputStride = input.RowStride;
    public readonly long OutputStride = output.RowStride;
    public readonly ElementRange Range = range;
    public readonly int Examples = input.Rows;

    public int FirstColumn { get; init; }

    public float Scale { get; init; }

    public float Smoothing { get; init; }
}
