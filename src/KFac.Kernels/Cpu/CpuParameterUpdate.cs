using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="ParameterUpdate"/> on the CPU: each vector is read and written once.</summary>
internal sealed unsafe class CpuParameterUpdate(CpuDevice device) : IParameterUpdateKernel
{
    public void Momentum(
        in MomentumStep step,
        VectorView<double> onDevice,
        VectorView<float> gradients,
        VectorView<float> velocity,
        VectorView<float> parameters)
    {
        MomentumStep current = onDevice.IsEmpty ? step : step with { LearningRate = (float)*onDevice.Pointer };
        if (step.Nesterov)
        {
            ElementLoop.Run(device, new NesterovMap(current), gradients, velocity, parameters);
        }
        else
        {
            ElementLoop.Run(device, new MomentumMap(current), gradients, velocity, parameters);
        }
    }

    public void Adam(
        in AdamStep step,
        VectorView<double> onDevice,
        VectorView<float> gradients,
        VectorView<float> firstMoment,
        VectorView<float> secondMoment,
        VectorView<float> parameters)
    {
        AdamStep current = step;
        if (!onDevice.IsEmpty)
        {
            double* values = onDevice.Pointer;
            current = step with
            {
                LearningRate = (float)values[0],
                FirstCorrection = (float)values[1],
                GradientCorrection = (float)values[2],
                SecondCorrection = (float)values[3],
            };
        }

        ElementLoop.Run(device, new AdamMap(current), gradients, firstMoment, secondMoment, parameters);
    }

    private readonly struct MomentumMap(MomentumStep step) : IElementMap
    {
        public static int Loads => 7;

        public static int Stores => 6;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(ref TVector g, ref TVector v, ref TVector theta, ref TVector unused)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector decayed = TSimd.MultiplyAdd(TSimd.Create(step.WeightDecay), theta, g);
            v = TSimd.MultiplyAdd(TSimd.Create(step.Momentum), v, decayed);
            theta = TSimd.MultiplyAdd(TSimd.Create(-step.LearningRate), v, theta);
        }
    }

    private readonly struct NesterovMap(MomentumStep step) : IElementMap
    {
        public static int Loads => 7;

        public static int Stores => 6;

        public void Apply<TSimd, TVector>(ref TVector g, ref TVector v, ref TVector theta, ref TVector unused)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector momentum = TSimd.Create(step.Momentum);
            TVector decayed = TSimd.MultiplyAdd(TSimd.Create(step.WeightDecay), theta, g);
            v = TSimd.MultiplyAdd(momentum, v, decayed);
            TVector ahead = TSimd.MultiplyAdd(momentum, v, decayed);
            theta = TSimd.MultiplyAdd(TSimd.Create(-step.LearningRate), ahead, theta);
        }
    }

    private readonly struct AdamMap(AdamStep step) : IElementMap
    {
        private readonly float _shrink = 1 - (step.LearningRate * step.WeightDecay);

        public static int Loads => 15;

        public static int Stores => 14;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(ref TVector g, ref TVector m, ref TVector v, ref TVector theta)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector fresh = TSimd.Multiply(TSimd.Create(1 - step.Beta1), g);
            m = TSimd.MultiplyAdd(TSimd.Create(step.Beta1), m, fresh);
            TVector square = TSimd.Multiply(TSimd.Multiply(TSimd.Create(1 - step.Beta2), g), g);
            v = TSimd.MultiplyAdd(TSimd.Create(step.Beta2), v, square);
            TVector root = TSimd.SquareRoot(TSimd.Multiply(TSimd.Create(step.SecondCorrection), v));
            TVector numerator = TSimd.MultiplyAdd(
                TSimd.Create(step.FirstCorrection), m, TSimd.Multiply(TSimd.Create(step.GradientCorrection), g));
            TVector direction = TSimd.Divide(numerator, TSimd.Add(root, TSimd.Create(step.Epsilon)));
            TVector shrunk = TSimd.Multiply(TSimd.Create(_shrink), theta);
            theta = TSimd.MultiplyAdd(TSimd.Create(-step.LearningRate), direction, shrunk);
        }
    }
}
