using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="LayerNorm"/> on the CPU: a few rows a task, each row while it is in the first-level cache.</summary>
/// <remarks>
/// Mean and variance come from one pass, Σx and Σx² in float64: what is lost to cancellation there is below the rounding
/// of x itself. The gradients of gain and bias are summed in float32 over the rows of a task, and over tasks in float64;
/// tasks are cut by shape, so no bit depends on threads.
/// </remarks>
internal sealed unsafe class CpuLayerNorm(CpuDevice device) : ILayerNormKernel
{
    /// <summary>Rows whose parameter gradients are summed in float32.</summary>
    private const int RowsPerPartial = 64;

    public void Forward(
        MatrixView<float> x, VectorView<float> gain, VectorView<float> bias, float epsilon, MatrixView<float> y, MatrixView<float> statistics)
    {
        var context = new Context(x, y, statistics) { Gain = gain.Pointer, Bias = bias.Pointer, Epsilon = epsilon };
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &ForwardRows<Simd512, Vector512<float>, WideSums512>,
            VectorWidth.Avx2 => &ForwardRows<Simd256, Vector256<float>, WideSums256>,
            _ => &ForwardRows<Simd128, Vector128<float>, WideSums128>,
        };
        device.Workers.Run(RowTasks.Count(x.Rows, x.Columns), body, &context);
    }

    public void Backward(
        MatrixView<float> x,
        MatrixView<float> statistics,
        VectorView<float> gain,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient)
    {
        var context = new Context(x, inputGradient, statistics) { Gain = gain.Pointer };
        context.SetGradient(outputGradient);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &BackwardRows<Simd512, Vector512<float>, WideSums512>,
            VectorWidth.Avx2 => &BackwardRows<Simd256, Vector256<float>, WideSums256>,
            _ => &BackwardRows<Simd128, Vector128<float>, WideSums128>,
        };
        device.Workers.Run(RowTasks.Count(outputGradient.Rows, x.Columns), body, &context);
    }

    public void ParameterGradients(
        MatrixView<float> x,
        MatrixView<float> statistics,
        MatrixView<float> outputGradient,
        float beta,
        VectorView<float> gainGradient,
        VectorView<float> biasGradient)
    {
        int columns = x.Columns;
        int partials = (x.Rows + RowsPerPartial - 1) / RowsPerPartial;
        using ScratchLease lease = device.Scratch.Rent(2L * partials * columns * sizeof(float));
        var context = new Context(x, x, statistics) { Partial = lease.As<float>() };
        context.SetGradient(outputGradient);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &SumRows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &SumRows<Simd256, Vector256<float>>,
            _ => &SumRows<Simd128, Vector128<float>>,
        };
        device.Workers.Run(partials, body, &context);
        AddPartials(context.Partial, partials, columns, beta, gainGradient.Pointer);
        AddPartials(context.Partial + columns, partials, columns, beta, biasGradient.Pointer);
    }

    private static void AddPartials(float* partial, int partials, int columns, float beta, float* result)
    {
        for (int j = 0; j < columns; j++)
        {
            double sum = beta == 0 ? 0 : (double)beta * result[j];
            for (int i = 0; i < partials; i++)
            {
                sum += partial[(2L * i * columns) + j];
            }

            result[j] = (float)sum;
        }
    }

    private static void ForwardRows<TSimd, TVector, TSums>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.InputRows, c.Columns);
        for (int row = first; row < end; row++)
        {
            float* x = c.X(row);
            (double sum, double squares) = RowSums.Of<TSums>(x, x, c.Columns);
            double mean = sum / c.Columns;
            double variance = Math.Max(0, (squares / c.Columns) - (mean * mean));
            float* statistics = c.Statistics(row);
            statistics[0] = (float)mean;
            statistics[1] = (float)(1 / Math.Sqrt(variance + c.Epsilon));
            Normalise<TSimd, TVector>(x, statistics, c.Gain, c.Bias, c.Output(row), c.Columns);
        }
    }

    private static void Normalise<TSimd, TVector>(float* x, float* statistics, float* gain, float* bias, float* y, int columns)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector mean = TSimd.Create(statistics[0]);
        TVector scale = TSimd.Create(statistics[1]);
        int j = 0;
        for (; j + TSimd.Count <= columns; j += TSimd.Count)
        {
            TVector normal = TSimd.Multiply(TSimd.Subtract(TSimd.Load(x + j), mean), scale);
            TSimd.Store(TSimd.MultiplyAdd(normal, TSimd.Load(gain + j), TSimd.Load(bias + j)), y + j);
        }

        if (j < columns)
        {
            int rest = columns - j;
            TVector normal = TSimd.Multiply(TSimd.Subtract(TSimd.LoadPartial(x + j, rest), mean), scale);
            TSimd.StorePartial(
                TSimd.MultiplyAdd(normal, TSimd.LoadPartial(gain + j, rest), TSimd.LoadPartial(bias + j, rest)), y + j, rest);
        }
    }

    private static void BackwardRows<TSimd, TVector, TSums>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.GradientRows, c.Columns);
        for (int row = first; row < end; row++)
        {
            float* x = c.X(row % c.InputRows);
            float* statistics = c.Statistics(row % c.InputRows);
            float* h = c.Output(row);
            Product<TSimd, TVector>(c.Gain, c.Gradient(row), h, c.Columns);
            (double sum, double product) = RowSums.Of<TSums>(h, x, c.Columns);
            double scale = statistics[1];
            float mean = (float)(sum / c.Columns);
            float slope = (float)((product - (statistics[0] * sum)) * scale * scale / c.Columns);
            Project<TSimd, TVector>(x, statistics, mean, slope, h, c.Columns);
        }
    }

    private static void Product<TSimd, TVector>(float* left, float* right, float* product, int columns)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int j = 0;
        for (; j + TSimd.Count <= columns; j += TSimd.Count)
        {
            TSimd.Store(TSimd.Multiply(TSimd.Load(left + j), TSimd.Load(right + j)), product + j);
        }

        if (j < columns)
        {
            int rest = columns - j;
            TSimd.StorePartial(TSimd.Multiply(TSimd.LoadPartial(left + j, rest), TSimd.LoadPartial(right + j, rest)), product + j, rest);
        }
    }

    /// <summary><c>h ← (h − mean − slope·(x − μ))·scale</c>.</summary>
    private static void Project<TSimd, TVector>(float* x, float* statistics, float mean, float slope, float* h, int columns)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector centre = TSimd.Create(statistics[0]);
        TVector scale = TSimd.Create(statistics[1]);
        TVector means = TSimd.Create(mean);
        TVector slopes = TSimd.Create(-slope);
        int j = 0;
        for (; j + TSimd.Count <= columns; j += TSimd.Count)
        {
            TVector centred = TSimd.Subtract(TSimd.Load(x + j), centre);
            TVector rest = TSimd.MultiplyAdd(slopes, centred, TSimd.Subtract(TSimd.Load(h + j), means));
            TSimd.Store(TSimd.Multiply(rest, scale), h + j);
        }

        if (j < columns)
        {
            int count = columns - j;
            TVector centred = TSimd.Subtract(TSimd.LoadPartial(x + j, count), centre);
            TVector rest = TSimd.MultiplyAdd(slopes, centred, TSimd.Subtract(TSimd.LoadPartial(h + j, count), means));
            TSimd.StorePartial(TSimd.Multiply(rest, scale), h + j, count);
        }
    }

    /// <summary>Σ ∂y∘x̂ and Σ ∂y over the rows of one task, a few columns at a time in registers.</summary>
    private static void SumRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        int first = task * RowsPerPartial;
        int end = Math.Min(first + RowsPerPartial, c.InputRows);
        float* gains = c.Partial + (2L * task * c.Columns);
        float* biases = gains + c.Columns;
        for (int j = 0; j < c.Columns; j += TSimd.Count)
        {
            int count = Math.Min(TSimd.Count, c.Columns - j);
            TVector gain = TSimd.Zero;
            TVector bias = TSimd.Zero;
            for (int row = first; row < end; row++)
            {
                float* statistics = c.Statistics(row);
                TVector gradient = TSimd.LoadPartial(c.Gradient(row) + j, count);
                TVector centred = TSimd.Subtract(TSimd.LoadPartial(c.X(row) + j, count), TSimd.Create(statistics[0]));
                gain = TSimd.MultiplyAdd(gradient, TSimd.Multiply(centred, TSimd.Create(statistics[1])), gain);
                bias = TSimd.Add(bias, gradient);
            }

            TSimd.StorePartial(gain, gains + j, count);
            TSimd.StorePartial(bias, biases + j, count);
        }
    }

    private struct Context(MatrixView<float> x, MatrixView<float> output, MatrixView<float> statistics)
    {
        public readonly int InputRows = x.Rows;
        public readonly int Columns = x.Columns;
        public int GradientRows;
        public float* Gain;
        public float* Bias;
        public float* Partial;
        public float Epsilon;
        private readonly float* _x = x.Pointer;
        private readonly long _xStride = x.RowStride;
        private readonly float* _output = output.Pointer;
        private readonly long _outputStride = output.RowStride;
        private readonly float* _statistics = statistics.Pointer;
        private readonly long _statisticsStride = statistics.RowStride;
        private float* _gradient;
        private long _gradientStride;

        public void SetGradient(MatrixView<float> gradient)
        {
            GradientRows = gradient.Rows;
            _gradient = gradient.Pointer;
            _gradientStride = gradient.RowStride;
        }

        public readonly float* X(int row) => _x + (row * _xStride);

        public readonly float* Output(int row) => _output + (row * _outputStride);

        public readonly float* Statistics(int row) => _statistics + (row * _statisticsStride);

        public readonly float* Gradient(int row) => _gradient + (row * _gradientStride);
    }
}
