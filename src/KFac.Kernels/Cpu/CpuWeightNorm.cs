using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="WeightNorm"/> on the CPU: a few rows a task, each read for its sums in float64, and again to be scaled.</summary>
internal sealed unsafe class CpuWeightNorm(CpuDevice device) : IWeightNormKernel
{
    public void Forward(MatrixView<float> v, VectorView<float> gain, MatrixView<float> weight)
    {
        var context = new Context(v, gain, weight);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &ForwardRows<Simd512, Vector512<float>, WideSums512>,
            VectorWidth.Avx2 => &ForwardRows<Simd256, Vector256<float>, WideSums256>,
            _ => &ForwardRows<Simd128, Vector128<float>, WideSums128>,
        };
        device.Workers.Run(RowTasks.Count(v.Rows, v.Columns), body, &context);
    }

    public void Backward(
        MatrixView<float> v,
        VectorView<float> gain,
        MatrixView<float> weightGradient,
        float beta,
        MatrixView<float> directionGradient,
        VectorView<float> gainGradient)
    {
        var context = new Context(v, gain, directionGradient) { Beta = beta, GainGradient = gainGradient.IsEmpty ? null : gainGradient.Pointer };
        context.SetGradient(weightGradient);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &BackwardRows<Simd512, Vector512<float>, WideSums512>,
            VectorWidth.Avx2 => &BackwardRows<Simd256, Vector256<float>, WideSums256>,
            _ => &BackwardRows<Simd128, Vector128<float>, WideSums128>,
        };
        device.Workers.Run(RowTasks.Count(v.Rows, v.Columns), body, &context);
    }

    private static void ForwardRows<TSimd, TVector, TSums>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        for (int row = first; row < end; row++)
        {
            float* v = c.V(row);
            double norm = Math.Sqrt(RowSums.Dot<TSums>(v, v, c.Columns));
            Combine<TSimd, TVector>(v, 0, v, (float)(c.GainOf(row) / norm), 0, c.Output(row), c.Columns);
        }
    }

    private static void BackwardRows<TSimd, TVector, TSums>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        for (int row = first; row < end; row++)
        {
            float* v = c.V(row);
            float* gradient = c.Gradient(row);
            double squares = RowSums.Dot<TSums>(v, v, c.Columns);
            double product = RowSums.Dot<TSums>(gradient, v, c.Columns);
            double norm = Math.Sqrt(squares);
            Combine<TSimd, TVector>(
                v, (float)(-product / squares), gradient, (float)(c.GainOf(row) / norm), c.Beta, c.Output(row), c.Columns);
            if (c.GainGradient is not null)
            {
                double old = c.Beta == 0 ? 0 : (double)c.Beta * c.GainGradient[row];
                c.GainGradient[row] = (float)((product / norm) + old);
            }
        }
    }

    /// <summary><c>y ← scale·(x + slope·v) + beta·y</c>; with slope or beta 0 their terms are left out.</summary>
    private static void Combine<TSimd, TVector>(float* v, float slope, float* x, float scale, float beta, float* y, int columns)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector slopes = TSimd.Create(slope);
        TVector scales = TSimd.Create(scale);
        TVector betas = TSimd.Create(beta);
        for (int j = 0; j < columns; j += TSimd.Count)
        {
            int count = Math.Min(TSimd.Count, columns - j);
            TVector sum = TSimd.LoadPartial(x + j, count);
            sum = slope == 0 ? sum : TSimd.MultiplyAdd(slopes, TSimd.LoadPartial(v + j, count), sum);
            sum = TSimd.Multiply(scales, sum);
            sum = beta == 0 ? sum : TSimd.MultiplyAdd(betas, TSimd.LoadPartial(y + j, count), sum);
            TSimd.StorePartial(sum, y + j, count);
        }
    }

    private struct Context(MatrixView<float> v, VectorView<float> gain, MatrixView<float> output)
    {
        public readonly int Rows = v.Rows;
        public readonly int Columns = v.Columns;
        public float Beta;
        public float* GainGradient;
        private readonly float* _v = v.Pointer;
        private readonly long _vStride = v.RowStride;
        private readonly float* _gain = gain.IsEmpty ? null : gain.Pointer;
        private readonly float* _output = output.Pointer;
        private readonly long _outputStride = output.RowStride;
        private float* _gradient;
        private long _gradientStride;

        public void SetGradient(MatrixView<float> gradient)
        {
            _gradient = gradient.Pointer;
            _gradientStride = gradient.RowStride;
        }

        public readonly float* V(int row) => _v + (row * _vStride);

        public readonly double GainOf(int row) => _gain is null ? 1 : _gain[row];

        public readonly float* Output(int row) => _output + (row * _outputStride);

        public readonly float* Gradient(int row) => _gradient + (row * _gradientStride);
    }
}
