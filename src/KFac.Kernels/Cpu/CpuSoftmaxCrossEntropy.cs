using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="SoftmaxCrossEntropy"/> on the CPU: a few rows a task, each row while it is in the first-level cache.</summary>
/// <remarks>Probabilities too large for the caches go past them: eᶻ of a row is kept on the stack, and only its multiple is written. Three rows
/// are then under way at once, so that memory reads and writes all the time: the largest logit of the next is sought, powers of this are taken,
/// those of the last are scaled and written.</remarks>
internal sealed unsafe class CpuSoftmaxCrossEntropy(CpuDevice device) : ISoftmaxCrossEntropyKernel
{
    private const int Masked = -1;

    // Of a row on the stack, which half of a first-level cache holds.
    private const int ColumnsInPowers = 4096;

    public void Forward(
        MatrixView<float> logits, VectorView<int> labels, MatrixView<float> probabilities, VectorView<float> losses, float smoothing)
    {
        var context = new Context(logits, labels, probabilities) { Losses = losses.Pointer, Smoothing = smoothing };
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
        var context = new Context(probabilities, labels, gradient) { Scale = scale, Smoothing = smoothing };
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
        var context = new Context(probabilities, labels, probabilities) { Key = key.OnHost(), Offset = offset, Sampled = sampled.Pointer };
        Run(&context, &SampleRows);
    }

    public void HessianRoot(MatrixView<float> probabilities, VectorView<int> labels, int firstColumn, MatrixView<float> columns)
    {
        var context = new Context(probabilities, labels, columns) { FirstColumn = firstColumn };
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &HessianRootRows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &HessianRootRows<Simd256, Vector256<float>>,
            _ => &HessianRootRows<Simd128, Vector128<float>>,
        };
        Run(&context, body);
    }

    private void Run(Context* context, delegate*<void*, int, void> body) =>
        device.Workers.Run(RowTasks.Count(context->OutputRows, context->Columns), body, context);

    private static void ForwardRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.OutputRows, c.Columns);
        if (c.Columns <= ColumnsInPowers && c.Output(0) != c.Input(0)
            && ElementLoop.GoesPast<TVector>(c.Output(0), c.OutputStride, c.OutputRows, c.Columns))
        {
            StreamRows<TSimd, TVector>(ref c, first, end);
            return;
        }

        for (int row = first; row < end; row++)
        {
            float* z = c.Input(row);
            float* p = c.Output(row);
            float maximum = SimdRow<TSimd, TVector>.Max(z, c.Columns);
            float gap = Gap<TSimd, TVector>(ref c, row, maximum);
            float sum = SimdRow<TSimd, TVector>.ExpAndSum(z, maximum, p, c.Columns);
            SimdRow<TSimd, TVector>.Scale(p, 1 / sum, p, c.Columns);
            c.Losses[row] = c.Labels[row] == Masked ? 0 : MathF.Log(sum) + gap;
        }
    }

    [SkipLocalsInit]
    private static void StreamRows<TSimd, TVector>(ref Context c, int first, int end)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float* memory = stackalloc float[(2 * ColumnsInPowers) + CacheLine.Floats];
        float* powers = CacheLine.Align(memory);
        float* last = powers + ColumnsInPowers;
        float sum = 0;
        float maximum = SimdRow<TSimd, TVector>.Max(c.Input(first), c.Columns);
        for (int row = first; row < end; row++)
        {
            float gap = Gap<TSimd, TVector>(ref c, row, maximum);
            float* next = c.Input(Math.Min(row + 1, end - 1));
            if (row == first)
            {
                sum = SimdRow<TSimd, TVector>.ExpAndSum(c.Input(row), maximum, powers, c.Columns);
                maximum = SimdRow<TSimd, TVector>.Max(next, c.Columns);
            }
            else
            {
                (maximum, sum) = StreamRow<TSimd, TVector>(next, c.Input(row), maximum, powers, last, 1 / sum, c.Output(row - 1), c.Columns);
            }

            c.Losses[row] = c.Labels[row] == Masked ? 0 : MathF.Log(sum) + gap;
            float* spent = last;
            last = powers;
            powers = spent;
        }

        ElementSpan<ScaleMap, TSimd, TVector>.ApplyStreaming(new ScaleMap(0, 1 / sum), last, c.Output(end - 1), null, null, c.Columns);
    }

    /// <summary><c>powers ← e^{z − shift}</c> and <c>p ← factor·last</c>.</summary>
    /// <returns>The largest element of <paramref name="next"/>, and the sum of powers, added in the order of <see cref="SimdRow{TSimd, TVector}.ExpAndSum"/>.</returns>
    private static (float Largest, float Sum) StreamRow<TSimd, TVector>(
        float* next, float* z, float shift, float* powers, float* last, float factor, float* p, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector lowest = TSimd.Create(float.NegativeInfinity), maxima = lowest, sums = TSimd.Zero;
        TVector offset = TSimd.Create(shift), factors = TSimd.Create(factor);
        int i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            maxima = TSimd.AtLeast(maxima, TSimd.Load(next + i));
            TSimd.StoreStreaming(TSimd.Multiply(factors, TSimd.Load(last + i)), p + i);
            TVector power = SimdMath<TSimd, TVector>.ExpOfNegative(TSimd.Subtract(TSimd.Load(z + i), offset));
            TSimd.Store(power, powers + i);
            sums = TSimd.Add(sums, power);
        }

        if (i < count)
        {
            int left = count - i;
            TVector inside = TSimd.First(left);
            maxima = TSimd.AtLeast(maxima, TSimd.Select(inside, TSimd.LoadPartial(next + i, left), lowest));
            TSimd.StorePartial(TSimd.Multiply(factors, TSimd.LoadPartial(last + i, left)), p + i, left);
            TVector power = SimdMath<TSimd, TVector>.ExpOfNegative(TSimd.Subtract(TSimd.LoadPartial(z + i, left), offset));
            TSimd.StorePartial(power, powers + i, left);
            sums = TSimd.Add(sums, TSimd.Select(inside, power, TSimd.Zero));
        }

        return (TSimd.Largest(maxima), TSimd.Sum(sums));
    }

    /// <summary><c>max − Σ q·z</c>, which is <c>Σ q·(max − z)</c>; 0 where the label is masked.</summary>
    private static float Gap<TSimd, TVector>(ref Context c, int row, float maximum)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int label = c.Labels[row];
        if (label == Masked)
        {
            return 0;
        }

        float* z = c.Input(row);
        float gap = maximum - z[label];
        return c.Smoothing == 0
            ? gap
            : ((1 - c.Smoothing) * gap) + (c.Smoothing / c.Columns * SimdRow<TSimd, TVector>.SumBelow(z, maximum, c.Columns));
    }

    private static void GradientRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
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

            float atLabel = p[label];
            float others = c.Smoothing / c.Columns;
            ElementSpan<ScaleMap, TSimd, TVector>.Apply(past, new ScaleMap(others, c.Scale), p, g, null, null, c.Columns);
            g[label] = c.Scale * (atLabel - (1 - c.Smoothing) - others);
        }
    }

    private static void SampleRows(void* pointer, int task)
    {
        ref Context c = ref *(Context*)pointer;
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
        ref Context c = ref *(Context*)pointer;
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
            ElementSpan<ScaleMap, TSimd, TVector>.Apply(past, new ScaleMap(0, -root), p, s, null, null, c.Columns);
            s[column] = root * (1 - p[column]);
        }
    }

    /// <summary><c>factor·(x − shift)</c>.</summary>
    private readonly struct ScaleMap(float shift, float factor) : IElementMap
    {
        public static int Loads => 1;

        public static int Stores => 2;

        public void Apply<TSimd, TVector>(ref TVector x, ref TVector y, ref TVector x2, ref TVector x3)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged => y = TSimd.Multiply(TSimd.Create(factor), TSimd.Subtract(x, TSimd.Create(shift)));
    }

    private struct Context(MatrixView<float> input, VectorView<int> labels, MatrixView<float> output)
    {
        public readonly int* Labels = labels.Pointer;
        public readonly int InputRows = input.Rows;
        public readonly int OutputRows = output.Rows;
        public readonly int Columns = output.Columns;
        public readonly long OutputStride = output.RowStride;
        public float* Losses;
        public int* Sampled;
        public float Scale;
        public float Smoothing;
        public int FirstColumn;
        public PhiloxKey Key;
        public ulong Offset;
        private readonly float* _input = input.Pointer;
        private readonly long _inputStride = input.RowStride;
        private readonly float* _output = output.Pointer;

        public readonly float* Input(int row) => _input + (row * _inputStride);

        public readonly float* Output(int row) => _output + (row * OutputStride);
    }
}
