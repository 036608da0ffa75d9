namespace KFac.Kernels.Cpu;

/// <summary><see cref="Activation"/> on the CPU, on the vector functions of <see cref="SimdMath{TSimd, TVector}"/>.</summary>
/// <remarks>All but gelu are limited by memory. In cache and with 512-bit vectors (Zen 5) a vector takes 10 cycles for tanh, 8 for sigmoid, 13.5
/// for gelu and 15 for its derivative; beyond the caches copying leaves 11 to 20 a vector read and written, and half as many more for the derivative.
/// The same loop for gelu in C, all constants in registers, takes 11.8; 11 of its operations are for the exponential.</remarks>
internal sealed class CpuActivation(CpuDevice device) : IActivationKernel
{
    public void Forward(ActivationKind kind, MatrixView<float> x, MatrixView<float> y)
    {
        switch (kind)
        {
            case ActivationKind.Relu:
                ElementLoop.Run(device, default(ForwardMap<Relu>), x, y);
                break;
            case ActivationKind.Tanh:
                ElementLoop.Run(device, default(ForwardMap<Tanh>), x, y);
                break;
            case ActivationKind.Sigmoid:
                ElementLoop.Run(device, default(ForwardMap<Sigmoid>), x, y);
                break;
            default:
                ElementLoop.Run(device, default(ForwardMap<Gelu>), x, y);
                break;
        }
    }

    public void Backward(
        ActivationKind kind,
        MatrixView<float> x,
        MatrixView<float> y,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient)
    {
        switch (kind)
        {
            case ActivationKind.Relu:
                ElementLoop.Run(device, default(BackwardMap<Relu>), x, y, outputGradient, inputGradient);
                break;
            case ActivationKind.Tanh:
                ElementLoop.Run(device, default(BackwardMap<Tanh>), x, y, outputGradient, inputGradient);
                break;
            case ActivationKind.Sigmoid:
                ElementLoop.Run(device, default(BackwardMap<Sigmoid>), x, y, outputGradient, inputGradient);
                break;
            default:
                ElementLoop.Run(device, default(BackwardMap<Gelu>), x, y, outputGradient, inputGradient);
                break;
        }
    }

    /// <summary>A non-linearity and its derivative, from whichever of x and y = f(x) it is cheaper.</summary>
    private interface IFunction
    {
        /// <summary>What the derivative needs: 1 for x, 2 for y.</summary>
        static abstract int GradientOperands { get; }

        static abstract TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged;

        static abstract TVector InputGradient<TSimd, TVector>(TVector x, TVector y, TVector outputGradient)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged;
    }

    private readonly struct ForwardMap<TFunction> : IElementMap
        where TFunction : struct, IFunction
    {
        public static int Loads => 1;

        public static int Stores => 2;

        public void Apply<TSimd, TVector>(ref TVector x, ref TVector y, ref TVector x2, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => y = TFunction.Value<TSimd, TVector>(x);
    }

    private readonly struct BackwardMap<TFunction> : IElementMap
        where TFunction : struct, IFunction
    {
        public static int Loads => TFunction.GradientOperands | 4;

        public static int Stores => 8;

        public void Apply<TSimd, TVector>(ref TVector x, ref TVector y, ref TVector outputGradient, ref TVector inputGradient)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => inputGradient = TFunction.InputGradient<TSimd, TVector>(x, y, outputGradient);
    }

    private readonly struct Relu : IFunction
    {
        public static int GradientOperands => 1;

        public static TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => TSimd.Max(x, TSimd.Zero);

        public static TVector InputGradient<TSimd, TVector>(TVector x, TVector y, TVector outputGradient)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector passed = TSimd.Select(TSimd.Less(TSimd.Zero, x), outputGradient, TSimd.Zero);
            return TSimd.Select(TSimd.IsNaN(x), x, passed);
        }
    }

    private readonly struct Tanh : IFunction
    {
        public static int GradientOperands => 2;

        public static TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => SimdMath<TSimd, TVector>.Tanh(x);

        // 1 − y² as (1 − y)(1 + y), which does not lose the small differences near ±1.
        public static TVector InputGradient<TSimd, TVector>(TVector x, TVector y, TVector outputGradient)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector one = TSimd.Create(1);
            TVector slope = TSimd.Multiply(TSimd.Subtract(one, y), TSimd.Add(one, y));
            return TSimd.Multiply(slope, outputGradient);
        }
    }

    private readonly struct Sigmoid : IFunction
    {
        public static int GradientOperands => 2;

        public static TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => SimdMath<TSimd, TVector>.Sigmoid(x);

        public static TVector InputGradient<TSimd, TVector>(TVector x, TVector y, TVector outputGradient)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector slope = TSimd.Multiply(y, TSimd.Subtract(TSimd.Create(1), y));
            return TSimd.Multiply(slope, outputGradient);
        }
    }

    private readonly struct Gelu : IFunction
    {
        public static int GradientOperands => 1;

        public static TVector Value<TSimd, TVector>(TVector x)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => SimdMath<TSimd, TVector>.Gelu(x);

        public static TVector InputGradient<TSimd, TVector>(TVector x, TVector y, TVector outputGradient)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged =>
            TSimd.Multiply(SimdMath<TSimd, TVector>.GeluDerivative(x), outputGradient);
    }
}
