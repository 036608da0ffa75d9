using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="BernoulliCrossEntropy"/> on the GPU.</summary>
internal sealed unsafe class CudaBernoulliCrossEntropy(CudaStream stream) : IBernoulliCrossEntropyKernel
{
    private const string Module = "bernoulli_cross_entropy";

    public void Forward(MatrixView<float> logits, MatrixView<float> targets, MatrixView<float> probabilities, VectorView<float> losses)
    {
        if (losses.IsEmpty)
        {
            return;
        }

        // Rows without elements have the loss 0.
        ElementRange range = ElementRange.ByRows(logits.Rows, logits, targets, probabilities);
        RowGrid grid = RowGrid.Of(range);
        stream.Queue.Launch(
            Module,
            grid.ByWarps ? "forward_by_warps" : "forward_by_blocks",
            grid.Shape,
            new BernoulliCrossEntropyArguments(logits, targets, probabilities, range) { Losses = (nint)losses.Pointer });
    }

    public void Gradient(MatrixView<float> probabilities, MatrixView<float> targets, float scale, MatrixView<float> gradient)
    {
        if (!gradient.IsEmpty)
        {
            ElementRange range = ElementRange.Of(probabilities, targets, gradient);
            stream.Queue.Launch(
                Module, "gradient", range.Shape, new BernoulliCrossEntropyArguments(probabilities, targets, gradient, range) { Scale = scale });
        }
    }

    public void Sample(MatrixView<float> probabilities, MatrixView<float> targets, DeviceKey key, ulong offset, MatrixView<float> sampled)
    {
        if (!sampled.IsEmpty)
        {
            stream.Queue.Launch(
                Module,
                "sample",
                CudaPhilox.Shape((long)sampled.Rows * sampled.Columns),
                new BernoulliCrossEntropyArguments(probabilities, targets, sampled, ElementRange.ByRows(sampled.Rows, sampled))
                {
                    Key = new PhiloxKeyArguments(key),
                    Offset = offset,
                });
        }
    }

    public void HessianRoot(MatrixView<float> probabilities, MatrixView<float> targets, int firstColumn, MatrixView<float> columns)
    {
        if (!columns.IsEmpty)
        {
            ElementRange range = ElementRange.ByRows(columns.Rows, columns);
            stream.Queue.Launch(
                Module,
                "hessian_root",
                range.Shape,
                new BernoulliCrossEntropyArguments(probabilities, targets, columns, range) { FirstColumn = firstColumn });
        }
    }
}

/// <summary>Mirrors <c>BernoulliCrossEntropyArguments</c> of bernoulli_cross_entropy.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct BernoulliCrossEntropyArguments(
    MatrixView<float> input, MatrixView<float> targets, MatrixView<float> output, ElementRange range)
{
    public readonly nint Input = (nint)input.Pointer;
    public readonly nint Targets = (nint)targets.Pointer;
    public readonly nint Output = (nint)output.Pointer;

    public nint Losses { get; init; }

    public PhiloxKeyArguments Key { get; init; }

    public ulong Offset { get; init; }

    public readonly long InputStride = input.RowStride;
    public readonly long TargetStride = targets.RowStride;
    public readonly long OutputStride = output.RowStride;
    public readonly ElementRange Range = range;
    public readonly int Examples = input.Rows;

    public int FirstColumn { get; init; }

    public float Scale { get; init; }
}
