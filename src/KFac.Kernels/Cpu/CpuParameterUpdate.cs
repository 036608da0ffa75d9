namespace KFac.Kernels.Cpu;

/// <summary><see cref="ParameterUpdate"/> on the CPU.</summary>
internal sealed unsafe class CpuParameterUpdate : IParameterUpdateKernel
{
    public void Momentum(in MomentumStep step, VectorView<float> gradients, VectorView<float> velocity, VectorView<float> parameters)
    {
        float* theta = parameters.Pointer;
        float* v = velocity.Pointer;
        for (int i = 0; i < parameters.Length; i++)
        {
            float g = gradients.Pointer[i] + (step.WeightDecay * theta[i]);
            v[i] = (step.Momentum * v[i]) + g;
            theta[i] -= step.LearningRate * (step.Nesterov ? g + (step.Momentum * v[i]) : v[i]);
        }
    }

    public void Adam(
        in AdamStep step,
        VectorView<float> gradients,
        VectorView<float> firstMoment,
        VectorView<float> secondMoment,
        VectorView<float> parameters)
    {
        float* theta = parameters.Pointer;
        float* m = firstMoment.Pointer;
        float* v = secondMoment.Pointer;
        for (int i = 0; i < parameters.Length; i++)
        {
            float g = gradients.Pointer[i];
            m[i] = (step.Beta1 * m[i]) + ((1 - step.Beta1) * g);
            v[i] = (step.Beta2 * v[i]) + ((1 - step.Beta2) * g * g);
            float direction = ((step.FirstCorrection * m[i]) + (step.GradientCorrection * g))
                / (MathF.Sqrt(step.SecondCorrection * v[i]) + step.Epsilon);
            theta[i] = ((1 - (step.LearningRate * step.WeightDecay)) * theta[i]) - (step.LearningRate * direction);
        }
    }
}
