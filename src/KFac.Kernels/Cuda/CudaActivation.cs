using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Activation"/> on the GPU.</summary>
internal sealed class CudaActivation(CudaStream stream) : IActivationKernel
{
    private const string Module = "activation";

    public void Forward(ActivationKind kind, MatrixView<float> x, MatrixView<float> y)
    {
        if (!y.IsEmpty)
        {
            ElementRange range = ElementRange.Of(x, y);
            stream.Queue.Launch(
                Module, ForwardName(kind), range.Shape, new ActivationArguments(x, y, default, default, range, x.Rows));
        }
    }

    public void Backward(
        ActivationKind kind,
        MatrixView<float> x,
        MatrixView<float> y,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient)
    {
        if (inputGradient.IsEmpty)
        {
            return;
        }

        ElementRange range = inputGradient.Rows == x.Rows
            ? ElementRange.Of(x, y, outputGradient, inputGradient)
            : ElementRange.ByRows(inputGradient.Rows, x, y, outputGradient, inputGradient);
        stream.Queue.Launch(
            Module, BackwardName(kind), range.Shape, new ActivationArguments(x, y, outputGradient, inputGradient, range, x.Rows));
    }

    private static string ForwardName(ActivationKind kind) => kind switch
    {
        ActivationKind.Relu => "relu",
        ActivationKind.Tanh => "tanh_forward",
        ActivationKind.Sigmoid => "sigmoid",
        _ => "gelu",
    };

    private static string BackwardName(ActivationKind kind) => kind switch
    {
        ActivationKind.Relu => "relu_backward",
        ActivationKind.Tanh => "tanh_backward",
        ActivationKind.Sigmoid => "sigmoid_backward",
        _ => "gelu_backward",
    };
}

/// <summary>Mirrors <c>ActivationArguments</c> of activation.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct ActivationArguments(
    MatrixView<float> x,
    MatrixView<float> y,
    MatrixView<float> outputGradient,
    MatrixView<float> inputGradient,
    ElementRange range,
    int seedRows)
{
    public readonly nint X = (nint)x.Pointer;
    public readonly nint Y = (nint)y.Pointer;
    public readonly nint OutputGradient = (nint)outputGradient.Pointer;
    public readonly nint InputGradient = (nint)inputGradient.Pointer;
    public readonly long XStride = x.RowStride;
    public readonly long YStride = y.RowStride;
    public readonly long OutputGradientStride = outputGradient.RowStride;
    public readonly long InputGradientStride = inputGradient.RowStride;
    public readonly ElementRange Range = range;
    public readonly int SeedRows = seedRows;
}
