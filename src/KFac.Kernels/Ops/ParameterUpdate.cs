namespace KFac.Kernels;

/// <summary>Settings of one momentum step.</summary>
/// <param name="LearningRate">η.</param>
/// <param name="Momentum">μ.</param>
/// <param name="WeightDecay">Added to the gradient as weightDecay·θ.</param>
/// <param name="Nesterov">Whether the step looks ahead.</param>
public readonly record struct MomentumStep(float LearningRate, float Momentum, float WeightDecay, bool Nesterov);

/// <summary>Settings of one Adam step.</summary>
/// <param name="LearningRate">η.</param>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="WeightDecay">Decoupled: θ ← (1 − η·weightDecay)·θ first.</param>
/// <param name="FirstCorrection">Factor on the first moment in the step.</param>
/// <param name="GradientCorrection">Factor on the gradient itself in the step: 0 for AdamW, positive for NAdamW.</param>
/// <param name="SecondCorrection">Factor on the second moment under the root.</param>
public readonly record struct AdamStep(
    float LearningRate,
    float Beta1,
    float Beta2,
    float Epsilon,
    float WeightDecay,
    float FirstCorrection,
    float GradientCorrection,
    float SecondCorrection);

/// <summary>Fused optimizer updates on flat parameter vectors, one pass over memory.</summary>
/// <remarks>The vectors must not overlap. Error: a few roundings (γ(4) for v, γ(3) for m, γ(7) for θ with momentum, γ(16) with
/// Adam) of the sum of the terms' magnitudes. A NaN gradient reaches every state it touches.</remarks>
public static class ParameterUpdate
{
    /// <summary><c>g' = g + wd·θ; v ← μ·v + g'; θ ← θ − η·v</c>, or with Nesterov <c>θ ← θ − η·(g' + μ·v)</c>.</summary>
    /// <param name="onDevice">[1], η: read when the update runs and rounded to float32, in place of the one in <paramref name="step"/>,
    /// so that recorded updates can be given another; or none.</param>
    public static void Momentum(
        DeviceStream stream,
        in MomentumStep step,
        VectorView<float> gradients,
        VectorView<float> velocity,
        VectorView<float> parameters,
        VectorView<double> onDevice = default)
    {
        IParameterUpdateKernel kernel = Check.Kernel(stream, static table => table.ParameterUpdate, nameof(ParameterUpdate));
        Check.View(stream, gradients, nameof(gradients));
        Check.View(stream, velocity, nameof(velocity));
        Check.View(stream, parameters, nameof(parameters));
        Check.Length(gradients, parameters.Length, nameof(gradients));
        Check.Length(velocity, parameters.Length, nameof(velocity));
        CheckFinite([step.LearningRate, step.Momentum, step.WeightDecay]);
        Check.NoOverlap(velocity, gradients, nameof(velocity), nameof(gradients));
        Check.NoOverlap(parameters, gradients, nameof(parameters), nameof(gradients));
        Check.NoOverlap(parameters, velocity, nameof(parameters), nameof(velocity));
        CheckOnDevice(stream, onDevice, 1);
        kernel.Momentum(step, onDevice, gradients, velocity, parameters);
    }

    /// <summary><c>m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; θ ← (1−η·wd)θ − η·(c₁·m + c_g·g)/(√(c₂·v) + ε)</c>.</summary>
    /// <param name="onDevice">[4], η, c₁, c_g and c₂: read when the update runs and rounded to float32, in place of those in
    /// <paramref name="step"/>, so that recorded updates can be given others; or none.</param>
    public static void Adam(
        DeviceStream stream,
        in AdamStep step,
        VectorView<float> gradients,
        VectorView<float> firstMoment,
        VectorView<float> secondMoment,
        VectorView<float> parameters,
        VectorView<double> onDevice = default)
    {
        IParameterUpdateKernel kernel = Check.Kernel(stream, static table => table.ParameterUpdate, nameof(ParameterUpdate));
        Check.View(stream, gradients, nameof(gradients));
        Check.View(stream, firstMoment, nameof(firstMoment));
        Check.View(stream, secondMoment, nameof(secondMoment));
        Check.View(stream, parameters, nameof(parameters));
        Check.Length(gradients, parameters.Length, nameof(gradients));
        Check.Length(firstMoment, parameters.Length, nameof(firstMoment));
        Check.Length(secondMoment, parameters.Length, nameof(secondMoment));
        CheckFinite([step.LearningRate, step.Beta1, step.Beta2, step.Epsilon, step.WeightDecay]);
        CheckFinite([step.FirstCorrection, step.GradientCorrection, step.SecondCorrection]);
        Check.NoOverlap(firstMoment, gradients, nameof(firstMoment), nameof(gradients));
        Check.NoOverlap(secondMoment, gradients, nameof(secondMoment), nameof(gradients));
        Check.NoOverlap(secondMoment, firstMoment, nameof(secondMoment), nameof(firstMoment));
        Check.NoOverlap(parameters, gradients, nameof(parameters), nameof(gradients));
        Check.NoOverlap(parameters, firstMoment, nameof(parameters), nameof(firstMoment));
        Check.NoOverlap(parameters, secondMoment, nameof(parameters), nameof(secondMoment));
        CheckOnDevice(stream, onDevice, 4);
        kernel.Adam(step, onDevice, gradients, firstMoment, secondMoment, parameters);
    }

    private static void CheckOnDevice(DeviceStream stream, VectorView<double> onDevice, int wanted)
    {
        Check.View(stream, onDevice, nameof(onDevice));
        if (!onDevice.IsEmpty)
        {
            Check.Length(onDevice, wanted, nameof(onDevice));
        }
    }

    private static void CheckFinite(ReadOnlySpan<float> settings)
    {
        foreach (float setting in settings)
        {
            Check.Finite(setting);
        }
    }
}

/// <summary>A device's implementation of <see cref="ParameterUpdate"/>.</summary>
internal interface IParameterUpdateKernel
{
    void Momentum(
        in MomentumStep step,
        VectorView<double> onDevice,
        VectorView<float> gradients,
        VectorView<float> velocity,
        VectorView<float> parameters);

    void Adam(
        in AdamStep step,
        VectorView<double> onDevice,
        VectorView<float> gradients,
        VectorView<float> firstMoment,
        VectorView<float> secondMoment,
        VectorView<float> parameters);
}
