using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="LayerNorm"/> on the CPU: a few rows a task, each row while it is in the first-level cache.</summary>
/// <remarks>
/// Mean and variance come from one pass, Σx and Σx² in float64: what is lost to cancellation there is below the rounding
/// of x itself. In cache a row of either pass takes 9 to 10 cycles for sixteen elements, so that memory is the limit beyond (Zen 5).
/// The gradients of gain and bias are summed in float32 over the rows of a task, and over tasks in float64;
/// tasks are cut by shape, so no bit depends on threads.
/// </remarks>
internal sealed unsafe class CpuLayerNorm(CpuDevice device) : ILayerNormKernel
{
    /// <summary>Columns whose parameter gradients are summed at a time.</summary>
    private const int Stretch = 2048;

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
        CpuColumnSum.Run(device, context.Partial, partials, columns, 2L * columns, 1, beta, gainGradient.Pointer);
        CpuColumnSum.Run(device, context.Partial + columns, partials, columns, 2L * columns, 1, beta, biasGradient.Pointer);
    }

    private static void ForwardRows<TSimd, TVector, TSums>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.InputRows, c.Columns);
        bool past = c.Output(0) != c.X(0) && ElementLoop.GoesPast<TVector>(c.Output(0), c.OutputStride, c.InputRows, c.Columns);
        for (int row = first; row < end; row++)
        {
            float* x = c.X(row);
            (double sum, double squares) = RowSums.OfSquares<TSums>(x, c.Columns);
            double mean = sum / c.Columns;
            double variance = Math.Max(0, (squares / c.Columns) - (mean * mean));
            float* statistics = c.Statistics(row);
            statistics[0] = (float)mean;
            statistics[1] = (float)(1 / Math.Sqrt(variance + c.Epsilon));
            var map = new NormaliseMap(statistics[0], statistics[1]);
            ElementSpan<NormaliseMap, TSimd, TVector>.Apply(past, map, x, c.Gain, c.Bias, c.Output(row), c.Columns);
        }
    }

    private static void BackwardRows<TSimd, TVector, TSums>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.GradientRows, c.Columns);
        bool past = c.Output(0) != c.Gradient(0)
            && ElementLoop.GoesPast<TVector>(c.Output(0), c.OutputStride, c.GradientRows, c.Columns);
        for (int row = first; row < end; row++)
        {
            float* x = c.X(row % c.InputRows);
            float* gradient = c.Gradient(row);
            float* statistics = c.Statistics(row % c.InputRows);
            (double sum, double product) = RowSums.OfScaled<TSums>(c.Gain, gradient, x, c.Columns);
            double scale = statistics[1];
            float mean = (float)(sum / c.Columns);
            float slope = (float)((product - (statistics[0] * sum)) * scale * scale / c.Columns);
            var map = new ProjectMap(statistics[0], statistics[1], mean, slope);
            ElementSpan<ProjectMap, TSimd, TVector>.Apply(past, map, c.Gain, gradient, x, c.Output(row), c.Columns);
        }
    }

    /// <summary>Σ ∂y∘x̂ and Σ ∂y over the rows of one task. Rows are read as they lie in memory; a stretch of the sums that the
    /// first-level cache holds is gone through at a time.</summary>
    private static void SumRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        int first = task * RowsPerPartial;
        int end = Math.Min(first + RowsPerPartial, c.InputRows);
        float* gains = c.Partial + (2L * task * c.Columns);
        float* biases = gains + c.Columns;
        new Span<float>(gains, 2 * c.Columns).Clear();
        for (int j = 0; j < c.Columns; j += Stretch)
        {
            int count = Math.Min(Stretch, c.Columns - j);
            for (int row = first; row < end; row++)
            {
                float* statistics = c.Statistics(row);
                var map = new GradientMap(statistics[0], statistics[1]);
                ElementSpan<GradientMap, TSimd, TVector>.Apply(map, c.Gradient(row) + j, c.X(row) + j, gains + j, biases + j, count);
            }
        }
    }

    /// <summary><c>(x − μ)·scale∘gain + bias</c>.</summary>
    private readonly struct NormaliseMap(float mean, float scale) : IElementMap
    {
        public static int Loads => 7;

        public static int Stores => 8;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(ref TVector x, ref TVector gain, ref TVector bias, ref TVector y)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector normal = TSimd.Multiply(TSimd.Subtract(x, TSimd.Create(mean)), TSimd.Create(scale));
            y = TSimd.MultiplyAdd(normal, gain, bias);
        }
    }

    /// <summary><c>gain ← gain + ∂y∘x̂</c>, <c>bias ← bias + ∂y</c>.</summary>
    private readonly struct GradientMap(float mean, float scale) : IElementMap
    {
        public static int Loads => 15;

        public static int Stores => 12;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(ref TVector gradient, ref TVector x, ref TVector gain, ref TVector bias)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector normal = TSimd.Multiply(TSimd.Subtract(x, TSimd.Create(mean)), TSimd.Create(scale));
            gain = TSimd.MultiplyAdd(gradient, normal, gain);
            bias = TSimd.Add(bias, gradient);
        }
    }

    /// <summary><c>(gain∘∂y − mean − slope·(x − μ))·scale</c>.</summary>
    private readonly struct ProjectMap(float centre, float scale, float mean, float slope) : IElementMap
    {
        public static int Loads => 7;

        public static int Stores => 8;

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Apply<TSimd, TVector>(ref TVector gain, ref TVector gradient, ref TVector x, ref TVector y)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector h = TSimd.Subtract(TSimd.Multiply(gain, gradient), TSimd.Create(mean));
            TVector projected = TSimd.MultiplyAdd(TSimd.Create(-slope), TSimd.Subtract(x, TSimd.Create(centre)), h);
            y = TSimd.Multiply(projected, TSimd.Create(scale));
        }
    }

    private struct Context(MatrixView<float> x, MatrixView<float> output, MatrixView<float> statistics)
    {
        public readonly int InputRows = x.Rows;
        public readonly int Columns = x.Columns;
        public readonly long OutputStride = output.RowStride;
        public int GradientRows;
        public float* Gain;
        public float* Bias;
        public float* Partial;
        public float Epsilon;
        private readonly float* _x = x.Pointer;
        private readonly long _xStride = x.RowStride;
        private readonly float* _output = output.Pointer;
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

        public readonly float* Output(int row) => _output + (row * OutputStride);

        public readonly float* Statistics(int row) => _statistics + (row * _statisticsStride);

        public readonly float* Gradient(int row) => _gradient + (row * _gradientStride);
    }
}
