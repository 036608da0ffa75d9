namespace KFac.Kernels.Cpu;

/// <summary><see cref="Activation"/> on the CPU.</summary>
internal sealed unsafe class CpuActivation : IActivationKernel
{
    public void Forward(ActivationKind kind, MatrixView<float> x, MatrixView<float> y)
    {
        for (int i = 0; i < x.Rows; i++)
        {
            float* from = x.Pointer + ((long)i * x.RowStride);
            float* to = y.Pointer + ((long)i * y.RowStride);
            for (int j = 0; j < x.Columns; j++)
            {
                to[j] = Value(kind, from[j]);
            }
        }
    }

    public void Backward(
        ActivationKind kind,
        MatrixView<float> x,
        MatrixView<float> y,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient)
    {
        for (int i = 0; i < outputGradient.Rows; i++)
        {
            float* input = x.Pointer + ((long)(i % x.Rows) * x.RowStride);
            float* output = y.Pointer + ((long)(i % x.Rows) * y.RowStride);
            float* from = outputGradient.Pointer + ((long)i * outputGradient.RowStride);
            float* to = inputGradient.Pointer + ((long)i * inputGradient.RowStride);
            for (int j = 0; j < x.Columns; j++)
            {
                to[j] = Derivative(kind, input[j], output[j]) * from[j];
            }
        }
    }

    private static float Value(ActivationKind kind, float x) => kind switch
    {
        ActivationKind.Relu => MathF.Max(x, 0),
        ActivationKind.Tanh => MathF.Tanh(x),
        ActivationKind.Sigmoid => 1 / (1 + MathF.Exp(-x)),
        _ => (float)(x * NormalDistribution(x)),
    };

    private static float Derivative(ActivationKind kind, float x, float y) => kind switch
    {
        ActivationKind.Relu => x > 0 ? 1 : (float.IsNaN(x) ? x : 0),
        ActivationKind.Tanh => 1 - (y * y),
        ActivationKind.Sigmoid => y * (1 - y),
        _ => (float)(NormalDistribution(x) + (x * Math.Exp(-0.5 * x * x) / Math.Sqrt(2 * Math.PI))),
    };

    // Φ(x) by the continued fraction of the tail where that converges fast, else by the series of Φ(x) − ½.
    private static double NormalDistribution(double x)
    {
        double square = x * x;
        double density = Math.Exp(-0.5 * square) / Math.Sqrt(2 * Math.PI);
        double distance = Math.Abs(x);
        if (distance > 4)
        {
            double fraction = distance;
            for (int k = 40; k > 0; k--)
            {
                fraction = distance + (k / fraction);
            }

            return x > 0 ? 1 - (density / fraction) : density / fraction;
        }

        double term = x;
        double sum = x;
        for (int k = 1; k < 80; k++)
        {
            term *= square / ((2 * k) + 1);
            sum += term;
        }

        return 0.5 + (density * sum);
    }
}
