using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="ParameterUpdate"/> on the GPU: each vector is read and written once.</summary>
internal sealed class CudaParameterUpdate(CudaStream stream) : IParameterUpdateKernel
{
    private const string Module = "parameter_update";

    public unsafe void Momentum(
        in MomentumStep step,
        VectorView<double> onDevice,
        VectorView<float> gradients,
        VectorView<float> velocity,
        VectorView<float> parameters)
    {
        if (!parameters.IsEmpty)
        {
            ElementRange range = ElementRange.Of(AsRow(gradients), AsRow(velocity), AsRow(parameters));
            stream.Queue.Launch(
                Module,
                step.Nesterov ? "nesterov" : "momentum",
                range.Shape,
                new ParameterUpdateArguments(gradients, velocity, default, parameters, range, step) { OnDevice = (nint)onDevice.Pointer });
        }
    }

    public unsafe void Adam(
        in AdamStep step,
        VectorView<double> onDevice,
        VectorView<float> gradients,
        VectorView<float> firstMoment,
        VectorView<float> secondMoment,
        VectorView<float> parameters)
    {
        if (!parameters.IsEmpty)
        {
            ElementRange range = ElementRange.Of(AsRow(gradients), AsRow(firstMoment), AsRow(secondMoment), AsRow(parameters));
            stream.Queue.Launch(
                Module,
                "adam",
                range.Shape,
                new ParameterUpdateArguments(gradients, firstMoment, secondMoment, parameters, range, step) { OnDevice = (nint)onDevice.Pointer });
        }
    }

    private static MatrixView<float> AsRow(VectorView<float> vector) => vector.AsMatrix(1, vector.Length);
}

/// <summary>Mirrors <c>ParameterUpdateArguments</c> of parameter_update.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct ParameterUpdateArguments
{
    public readonly nint Gradients;
    public readonly nint First;
    public readonly nint Second;
    public readonly nint Parameters;

    public nint OnDevice { get; init; }

    public readonly ElementRange Range;
    public readonly float LearningRate;
    public readonly float Momentum;
    public readonly float SecondDecay;
    public readonly float Epsilon;
    public readonly float WeightDecay;
    public readonly float FirstCorrection;
    public readonly float GradientCorrection;
    public readonly float SecondCorrection;

    public ParameterUpdateArguments(
        VectorView<float> gradients,
        VectorView<float> first,
        VectorView<float> second,
        VectorView<float> parameters,
        ElementRange range,
        in MomentumStep step)
        : this(gradients, first, second, parameters, range)
    {
        (LearningRate, Momentum, WeightDecay) = (step.LearningRate, step.Momentum, step.WeightDecay);
    }

    public ParameterUpdateArguments(
        VectorView<float> gradients,
        VectorView<float> first,
        VectorView<float> second,
        VectorView<float> parameters,
        ElementRange range,
        in AdamStep step)
        : this(gradients, first, second, parameters, range)
    {
        (LearningRate, Momentum, SecondDecay) = (step.LearningRate, step.Beta1, step.Beta2);
        (Epsilon, WeightDecay) = (step.Epsilon, step.WeightDecay);
        (FirstCorrection, GradientCorrection, SecondCorrection) =
            (step.FirstCorrection, step.GradientCorrection, step.SecondCorrection);
    }

    private ParameterUpdateArguments(
        VectorView<float> gradients, VectorView<float> first, VectorView<float> second, VectorView<float> parameters, ElementRange range)
    {
        Gradients = (nint)gradients.Pointer;
        First = (nint)first.Pointer;
        Second = (nint)second.Pointer;
        Parameters = (nint)parameters.Pointer;
        Range = range;
    }
}
