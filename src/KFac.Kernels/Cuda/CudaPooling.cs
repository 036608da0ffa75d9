using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Pooling"/> on the GPU: pooling.cu.</summary>
internal sealed class CudaPooling(CudaStream stream) : IPoolingKernel
{
    public void Max(MatrixView<float> x, ConvolutionShape shape, MatrixView<float> y, MatrixView<float> places) =>
        Launch("maxima", new PoolingArguments(shape, x, y, places, ElementRange.ByRows(y.Rows, y, x, places), 0));

    public void MaxAdjoint(
        MatrixView<float> outputGradient, MatrixView<float> places, ConvolutionShape shape, float beta, MatrixView<float> inputGradient) => Launch(
            "adjoint",
            new PoolingArguments(
                shape, inputGradient, outputGradient, places, ElementRange.ByRows(inputGradient.Rows, inputGradient, outputGradient, places), beta));

    public void Average(MatrixView<float> x, ConvolutionShape shape, MatrixView<float> y) =>
        Launch("means", new PoolingArguments(shape, x, y, default, ElementRange.ByRows(y.Rows, y, x), 0));

    public void AverageAdjoint(MatrixView<float> outputGradient, ConvolutionShape shape, float beta, MatrixView<float> inputGradient) => Launch(
        "adjoint",
        new PoolingArguments(shape, inputGradient, outputGradient, default, ElementRange.ByRows(inputGradient.Rows, inputGradient, outputGradient), beta));

    private void Launch(string kernel, in PoolingArguments arguments)
    {
        if (arguments.Range.Rows > 0)
        {
            stream.Queue.Launch("pooling", kernel, arguments.Range.Shape, arguments);
        }
    }
}

/// <summary>Mirrors <c>PoolingArguments</c> of pooling.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct PoolingArguments(
    ConvolutionShape shape, MatrixView<float> x, MatrixView<float> y, MatrixView<float> places, ElementRange range, float beta)
{
    public readonly nint X = (nint)x.Pointer;
    public readonly nint Y = (nint)y.Pointer;
    public readonly nint Places = (nint)places.Pointer;
    public readonly long XStride = x.RowStride;
    public readonly long YStride = y.RowStride;
    public readonly long PlaceStride = places.RowStride;
    public readonly ElementRange Range = range;
    public readonly int PlaceRows = places.Rows;
    public readonly int Height = shape.Height;
    public readonly int Width = shape.Width;
    public readonly int OutputHeight = shape.OutputHeight;
    public readonly int OutputWidth = shape.OutputWidth;
    public readonly int KernelHeight = shape.KernelHeight;
    public readonly int KernelWidth = shape.KernelWidth;
    public readonly int Stride = shape.Stride;
    public readonly int Padding = shape.Padding;
    public readonly float Scale = 1f / (shape.KernelHeight * shape.KernelWidth);
    public readonly float Beta = beta;
}
