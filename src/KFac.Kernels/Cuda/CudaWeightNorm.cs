using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="WeightNorm"/> on the GPU: weight_norm.cu.</summary>
internal sealed class CudaWeightNorm(CudaStream stream) : IWeightNormKernel
{
    private const string Module = "weight_norm";

    public void Forward(MatrixView<float> v, VectorView<float> gain, MatrixView<float> weight)
    {
        if (!weight.IsEmpty)
        {
            ElementRange range = ElementRange.ByRows(v.Rows, v, weight);
            RowGrid grid = RowGrid.Of(range);
            stream.Queue.Launch(
                Module,
                grid.ByWarps ? "forward_by_warps" : "forward_by_blocks",
                grid.Shape,
                new WeightNormArguments(v, gain, default, weight, default, range));
        }
    }

    public void Backward(
        MatrixView<float> v,
        VectorView<float> gain,
        MatrixView<float> weightGradient,
        float beta,
        MatrixView<float> directionGradient,
        VectorView<float> gainGradient)
    {
        if (v.Rows > 0)
        {
            ElementRange range = ElementRange.ByRows(v.Rows, v, weightGradient, directionGradient);
            RowGrid grid = RowGrid.Of(range);
            stream.Queue.Launch(
                Module,
                grid.ByWarps ? "backward_by_warps" : "backward_by_blocks",
                grid.Shape,
                new WeightNormArguments(v, gain, weightGradient, directionGradient, gainGradient, range) { Beta = beta });
        }
    }
}

/// <summary>Mirrors <c>WeightNormArguments</c> of weight_norm.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct WeightNormArguments(
    MatrixView<float> v,
    VectorView<float> gain,
    MatrixView<float> gradient,
    MatrixView<float> output,
    VectorView<float> gainGradient,
    ElementRange range)
{
    public readonly nint V = (nint)v.Pointer;
    public readonly nint Gain = gain.IsEmpty ? 0 : (nint)gain.Pointer;
    public readonly nint Gradient = (nint)gradient.Pointer;
    public readonly nint Output = (nint)output.Pointer;
    public readonly nint GainGradient = gainGradient.IsEmpty ? 0 : (nint)gainGradient.Pointer;
    public readonly long VStride = v.RowStride;
    public readonly long GradientStride = gradient.RowStride;
    public readonly long OutputStride = output.RowStride;
    public readonly ElementRange Range = range;

    public float Beta { get; init; }
}
