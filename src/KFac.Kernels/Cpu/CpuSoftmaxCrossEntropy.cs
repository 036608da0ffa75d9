using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="SoftmaxCrossEntropy"/> on the CPU: a few rows a task, each row while it is in the first-level cache.</summary>
/// <remarks>Probabilities too large for the caches go past them (<see cref="SoftmaxStream"/>).</remarks>
internal sealed unsafe class CpuSoftmaxCrossEntropy(CpuDevice device) : ISoftmaxCrossEntropyKernel
{
    private const int Masked = SoftmaxRows.Masked;

    public void Forward(
        MatrixView<float> logits, VectorView<int> labels, MatrixView<float> probabilities, VectorView<float> losses, float smoothing)
    {
        var context = new SoftmaxRows(logits, labels, probabilities) { Losses = losses.Pointer, Smoothing = smoothing };
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &ForwardRows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &ForwardRows<Simd256, Vector256<float>>,
            _ => &ForwardRows<Simd128, Vector128<float>>,
        };
        Run(&context, body);
    }

    public void Gradient(
        MatrixView<float> probabilities, VectorView<int> labels, float scale, MatrixView<float> gradient, float smoothing)
    {
        var context = new SoftmaxRows(probabilities, labels, gradient) { Scale = scale, Smoothing = smoothing };
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &GradientRows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &GradientRows<Simd256, Vector256<float>>,
            _ => &GradientRows<Simd128, Vector128<float>>,
        };
        Run(&context, body);
    }

    public void Sample(MatrixView<float> probabilities, VectorView<int> labels, DeviceKey key, ulong offset, VectorView<int> sampled)
    {
        var context = new SoftmaxRows(probabilities, labels, probabilities) { Key = key.OnHost(), Offset = offset, Sampled = sampled.Pointer };
        Run(&context, &SampleRows);
    }

    public void HessianRoot(MatrixView<float> probabilities, VectorView<int> labels, int firstColumn, MatrixView<float> columns)
    {
        var context = new SoftmaxRows(probabilities, labels, columns) { FirstColumn = firstColumn };
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &HessianRootRows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &HessianRootRows<Simd256, Vector256<float>>,
            _ => &HessianRootRows<Simd128, Vector128<float>>,
        };
        Run(&context, body);
    }

    private void Run(SoftmaxRows* context, delegate*<void*, int, void> body) =>
        device.Workers.Run(RowTasks.Count(context->OutputRows, context->Columns), body, context);

    private static void ForwardRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref SoftmaxRows c = ref *(SoftmaxRows*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.OutputRows, c.Columns);
        if (c.Columns <= SoftmaxStream.MostColumns && c.Output(0) != c.Input(0)
            && ElementLoop.GoesPast<TVector>(c.Output(0), c.OutputStride, c.OutputRows, c.Columns))
        {
            SoftmaxStream.Forward<TSimd, TVector>(ref c, first, end);
            return;
        }

        for (int row = first; row < end; row++)
        {
            float* z = c.Input(row);
            float* p = c.Output(row);
            float maximum = SimdRow<TSimd, TVector>.Max(z, c.Columns);
            float gap = c.Gap<TSimd, TVector>(row, maximum);
            float sum = SimdRow<TSimd, TVector>.ExpAndSum(z, maximum, p, c.Columns);
            SimdRow<TSimd, TVector>.Scale(p, 1 / sum, p, c.Columns);
            c.Losses[row] = c.Labels[row] == Masked ? 0 : MathF.Log(sum) + gap;
        }
    }

    private static void GradientRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref SoftmaxRows c = ref *(SoftmaxRows*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.OutputRows, c.Columns);
        bool past = ElementLoop.GoesPast<TVector>(c.Output(0), c.OutputStride, c.OutputRows, c.Columns);
        for (int row = first; row < end; row++)
        {
            float* p = c.Input(row);
            float* g = c.Output(row);
            int label = c.Labels[row];
            if (label == Masked)
            {
                new Span<float>(g, c.Columns).Clear();
                continue;
            }

            if ((uint)label >= (uint)c.Columns)
            {
                new Span<float>(g, c.Columns).Fill(float.NaN);
                continue;
            }

            float atLabel = p[label];
            float others = c.Smoothing / c.Columns;
            ElementSpan<ShiftScaleMap, TSimd, TVector>.Apply(past, new ShiftScaleMap(others, c.Scale), p, g, null, null, c.Columns);
            g[label] = c.Scale * (atLabel - (1 - c.Smoothing) - others);
        }
    }

    private static void SampleRows(void* pointer, int task)
    {
        ref SoftmaxRows c = ref *(SoftmaxRows*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.OutputRows, c.Columns);
        for (int row = first; row < end; row++)
        {
            float u = PhiloxBlock.Uniform(PhiloxBlock.At(c.Key, c.Offset + (ulong)row).Word0);
            c.Sampled[row] = c.Labels[row] == Masked ? Masked : Draw(c.Input(row), c.Columns, u);
        }
    }

    // Where rounding leaves the sum of all below u, the last class that can occur is drawn.
    private static int Draw(float* p, int classes, float u)
    {
        float sum = 0;
        int possible = 0;
        for (int c = 0; c < classes; c++)
        {
            sum += p[c];
            if (u < sum)
            {
                return c;
            }

            possible = p[c] > 0 ? c : possible;
        }

        return possible;
    }

    private static void HessianRootRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref SoftmaxRows c = ref *(SoftmaxRows*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.OutputRows, c.Columns);
        bool past = ElementLoop.GoesPast<TVector>(c.Output(0), c.OutputStride, c.OutputRows, c.Columns);
        for (int row = first; row < end; row++)
        {
            int example = row % c.InputRows;
            int column = c.FirstColumn + (row / c.InputRows);
            float* p = c.Input(example);
            float* s = c.Output(row);
            if (c.Labels[example] == Masked)
            {
                new Span<float>(s, c.Columns).Clear();
                continue;
            }

            float root = MathF.Sqrt(p[column]);
            ElementSpan<ShiftScaleMap, TSimd, TVector>.Apply(past, new ShiftScaleMap(0, -root), p, s, null, null, c.Columns);
            s[column] = root * (1 - p[column]);
        }
    }
}
