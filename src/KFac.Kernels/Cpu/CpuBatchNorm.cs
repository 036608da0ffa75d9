using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="BatchNorm"/> on the CPU.</summary>
/// <remarks>Sums over a group's rows are taken in float32 over up to 64 rows, then in float64 (<see cref="GroupSums"/>); the variance is that of
/// differences to the group's first row, so that a large mean costs no digits. Two passes over memory are the least: a second pass that went
/// backwards, to find its first rows in the cache, or passes over 64 to 512 columns at a time gained nothing. The next row is fetched
/// by hand meanwhile, which took a tenth off both directions (16384×1024, Zen 5).</remarks>
internal sealed unsafe class CpuBatchNorm(CpuDevice device) : IBatchNormKernel
{
    public void Statistics(MatrixView<float> x, int groupRows, float epsilon, MatrixView<float> statistics)
    {
        var sums = new GroupSums(device, x, groupRows);
        using ScratchLease lease = device.Scratch.Rent(sums.Bytes);
        sums.OfDifferences(lease.As<double>());
        for (int group = 0; group < sums.Groups; group++)
        {
            double* sum = sums.Of(group);
            int rows = sums.RowsOf(group);
            float* origin = x.Pointer + ((long)group * groupRows * x.RowStride);
            float* mean = statistics.Pointer + ((long)group * statistics.RowStride);
            float* scale = statistics.Pointer + ((long)(sums.Groups + group) * statistics.RowStride);
            for (int j = 0; j < x.Columns; j++)
            {
                double shift = sum[j] / rows;
                double variance = (sum[x.Columns + j] / rows) - (shift * shift);
                mean[j] = (float)(origin[j] + shift);
                scale[j] = (float)(1 / Math.Sqrt(Math.Max(0, variance) + epsilon));
            }
        }
    }

    public void FromRunning(VectorView<float> mean, VectorView<float> variance, float epsilon, MatrixView<float> statistics)
    {
        float* scale = statistics.Pointer + statistics.RowStride;
        for (int j = 0; j < mean.Length; j++)
        {
            statistics.Pointer[j] = mean.Pointer[j];
            scale[j] = (float)(1 / Math.Sqrt((double)variance.Pointer[j] + epsilon));
        }
    }

    public void UpdateRunning(
        MatrixView<float> statistics, int groupRows, float epsilon, float momentum, VectorView<float> mean, VectorView<float> variance)
    {
        int groups = statistics.Rows / 2;
        double unbiased = groupRows > 1 ? groupRows / (groupRows - 1.0) : 1;
        for (int j = 0; j < mean.Length; j++)
        {
            double means = 0, variances = 0;
            for (int group = 0; group < groups; group++)
            {
                double scale = statistics.Pointer[((long)(groups + group) * statistics.RowStride) + j];
                means += statistics.Pointer[((long)group * statistics.RowStride) + j];
                variances += Math.Max(0, (1 / (scale * scale)) - epsilon) * unbiased;
            }

            mean.Pointer[j] = (float)(((1 - momentum) * mean.Pointer[j]) + (momentum * means / groups));
            variance.Pointer[j] = (float)(((1 - momentum) * variance.Pointer[j]) + (momentum * variances / groups));
        }
    }

    public void Normalize(
        MatrixView<float> x, int groupRows, MatrixView<float> statistics, VectorView<float> gain, VectorView<float> bias, MatrixView<float> y)
    {
        var context = new Context(x, groupRows, statistics) { Gain = gain.Pointer, Bias = bias.Pointer, Y = y.Pointer, YStride = y.RowStride, Rows = x.Rows };
        Run(context, &NormalizeRows<Simd512, Vector512<float>>, &NormalizeRows<Simd256, Vector256<float>>, &NormalizeRows<Simd128, Vector128<float>>);
    }

    public void Backward(
        MatrixView<float> x,
        int groupRows,
        MatrixView<float> statistics,
        VectorView<float> gain,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient,
        bool constantStatistics)
    {
        var sums = new GroupSums(device, x, groupRows, outputGradient, statistics);
        using ScratchLease lease = device.Scratch.Rent(sums.Bytes);
        var context = new Context(x, groupRows, statistics)
        {
            Gain = gain.Pointer,
            Y = inputGradient.Pointer,
            YStride = inputGradient.RowStride,
            Gradient = outputGradient.Pointer,
            GradientStride = outputGradient.RowStride,
            Rows = outputGradient.Rows,
        };
        if (!constantStatistics)
        {
            sums.OfGradients(lease.As<double>());
            context.Means = sums.ToMeans();
        }

        Run(context, &BackwardRows<Simd512, Vector512<float>>, &BackwardRows<Simd256, Vector256<float>>, &BackwardRows<Simd128, Vector128<float>>);
    }

    public void ParameterGradients(
        MatrixView<float> x,
        int groupRows,
        MatrixView<float> statistics,
        MatrixView<float> outputGradient,
        float beta,
        VectorView<float> gainGradient,
        VectorView<float> biasGradient)
    {
        var sums = new GroupSums(device, x, groupRows, outputGradient, statistics);
        using ScratchLease lease = device.Scratch.Rent(sums.Bytes);
        sums.OfGradients(lease.As<double>());
        for (int j = 0; j < x.Columns; j++)
        {
            double bias = beta == 0 ? 0 : (double)beta * biasGradient.Pointer[j];
            double gain = beta == 0 ? 0 : (double)beta * gainGradient.Pointer[j];
            for (int group = 0; group < sums.Groups; group++)
            {
                bias += sums.Of(group)[j];
                gain += sums.Of(group)[x.Columns + j];
            }

            biasGradient.Pointer[j] = (float)bias;
            gainGradient.Pointer[j] = (float)gain;
        }
    }

    private static void NormalizeRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        bool past = c.Y != c.X(0) && ElementLoop.GoesPast<TVector>(c.Y, c.YStride, c.Rows, c.Columns);
        for (int row = first; row < end; row++)
        {
            float* x = c.X(row);
            float* y = c.Y + ((long)row * c.YStride);
            float* mean = c.Mean(row);
            float* scale = c.Scale(row);
            for (int j = 0; j < c.Columns; j += TSimd.Count)
            {
                int left = c.Columns - j;
                CacheLine.Fetch(x + j + c.Ahead, TSimd.Count);
                TVector normal = TSimd.Multiply(
                    TSimd.Subtract(SimdPart<TSimd, TVector>.Load(x + j, left), SimdPart<TSimd, TVector>.Load(mean + j, left)),
                    SimdPart<TSimd, TVector>.Load(scale + j, left));
                TVector gain = SimdPart<TSimd, TVector>.Load(c.Gain + j, left);
                SimdPart<TSimd, TVector>.Store(past, TSimd.MultiplyAdd(normal, gain, SimdPart<TSimd, TVector>.Load(c.Bias + j, left)), y + j, left);
            }
        }
    }

    private static void BackwardRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        bool past = c.Y != c.Gradient && ElementLoop.GoesPast<TVector>(c.Y, c.YStride, c.Rows, c.Columns);
        for (int row = first; row < end; row++)
        {
            int input = row % c.InputRows;
            float* x = c.X(input);
            float* mean = c.Mean(input);
            float* scale = c.Scale(input);
            float* gradient = c.Gradient + ((long)row * c.GradientStride);
            float* result = c.Y + ((long)row * c.YStride);
            float* means = c.Means + (((long)(row / c.InputRows * c.Groups) + (input / c.GroupRows)) * 2 * c.Columns);
            for (int j = 0; j < c.Columns; j += TSimd.Count)
            {
                int left = c.Columns - j;
                CacheLine.Fetch(gradient + j + c.Ahead, TSimd.Count);
                TVector scales = SimdPart<TSimd, TVector>.Load(scale + j, left);
                TVector value = SimdPart<TSimd, TVector>.Load(gradient + j, left);
                if (c.Means != null)
                {
                    CacheLine.Fetch(x + j + c.Ahead, TSimd.Count);
                    TVector normal = TSimd.Multiply(
                        TSimd.Subtract(SimdPart<TSimd, TVector>.Load(x + j, left), SimdPart<TSimd, TVector>.Load(mean + j, left)), scales);
                    TVector projected = TSimd.Multiply(normal, SimdPart<TSimd, TVector>.Load(means + c.Columns + j, left));
                    value = TSimd.Subtract(TSimd.Subtract(value, SimdPart<TSimd, TVector>.Load(means + j, left)), projected);
                }

                TVector factor = TSimd.Multiply(scales, SimdPart<TSimd, TVector>.Load(c.Gain + j, left));
                SimdPart<TSimd, TVector>.Store(past, TSimd.Multiply(factor, value), result + j, left);
            }
        }
    }

    private void Run(
        Context context, delegate*<void*, int, void> wide, delegate*<void*, int, void> medium, delegate*<void*, int, void> narrow)
    {
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => wide,
            VectorWidth.Avx2 => medium,
            _ => narrow,
        };
        device.Workers.Run(RowTasks.Count(context.Rows, context.Columns), body, &context);
    }

    private struct Context(MatrixView<float> x, int groupRows, MatrixView<float> statistics)
    {
        public readonly int Columns = x.Columns;
        public readonly int InputRows = x.Rows;
        public readonly long Ahead = RowTasks.ElementsAhead(x.Columns, x.RowStride);
        public readonly int GroupRows = groupRows;
        public readonly int Groups = statistics.Rows / 2;
        public int Rows;
        public float* Gain;
        public float* Bias;
        public float* Y;
        public long YStride;
        public float* Gradient;
        public long GradientStride;
        public float* Means;
        private readonly float* _x = x.Pointer;
        private readonly long _xStride = x.RowStride;
        private readonly float* _statistics = statistics.Pointer;
        private readonly long _statisticsStride = statistics.RowStride;

        public readonly float* X(int row) => _x + (row * _xStride);

        public readonly float* Mean(int row) => _statistics + (row / GroupRows * _statisticsStride);

        public readonly float* Scale(int row) => _statistics + ((Groups + (row / GroupRows)) * _statisticsStride);
    }
}
