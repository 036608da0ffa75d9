using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Clipping"/> on the GPU: one thread makes a factor, all of them apply it.</summary>
internal sealed unsafe class CudaClipping(CudaStream stream) : IClippingKernel
{
    private const string Module = "clipping";

    public void ByDivergence(VectorView<double> products, VectorView<double> learningRate, double clip, VectorView<float> factor) =>
        stream.Queue.Launch(
            Module,
            "by_divergence",
            LaunchShape.Row(1, 1),
            new ClippingArguments(factor)
            {
                Products = (nint)products.Pointer,
                Count = products.Length,
                LearningRate = (nint)learningRate.Pointer,
                Bound = clip,
            });

    public void Apply(VectorView<float> factor, MatrixView<float> y)
    {
        if (!y.IsEmpty)
        {
            ElementRange range = ElementRange.Of(y);
            stream.Queue.Launch(
                Module,
                "apply",
                range.Shape,
                new ClippingArguments(factor) { Y = (nint)y.Pointer, YStride = y.RowStride, Range = range });
        }
    }
}

/// <summary>Mirrors <c>ClippingArguments</c> of clipping.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct ClippingArguments(VectorView<float> factor)
{
    public readonly nint Factor = (nint)factor.Pointer;

    public nint Products { get; init; }

    public nint LearningRate { get; init; }

    public nint Y { get; init; }

    public long YStride { get; init; }

    public double Bound { get; init; }

    public ElementRange Range { get; init; }

    public int Count { get; init; }
}
