using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="BernoulliCrossEntropy"/> on the CPU, a few rows a task.</summary>
internal sealed unsafe class CpuBernoulliCrossEntropy(CpuDevice device) : IBernoulliCrossEntropyKernel
{
    public void Forward(MatrixView<float> logits, MatrixView<float> targets, MatrixView<float> probabilities, VectorView<float> losses)
    {
        var context = new Context(logits, targets, probabilities) { Losses = losses.Pointer };
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &ForwardRows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &ForwardRows<Simd256, Vector256<float>>,
            _ => &ForwardRows<Simd128, Vector128<float>>,
        };
        Run(&context, body);
    }

    public void Gradient(MatrixView<float> probabilities, MatrixView<float> targets, float scale, MatrixView<float> gradient) =>
        ElementLoop.Run(device, new GradientMap(scale), probabilities, targets, gradient);

    public void Sample(MatrixView<float> probabilities, MatrixView<float> targets, DeviceKey key, ulong offset, MatrixView<float> sampled)
    {
        var context = new Context(probabilities, targets, sampled) { Key = key.OnHost(), Offset = offset };
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &SampleRows<PhiloxLanes512, Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &SampleRows<PhiloxLanes256, Simd256, Vector256<float>>,
            _ => &SampleRows<PhiloxLanes1, Simd128, Vector128<float>>,
        };
        Run(&context, body);
    }

    public void HessianRoot(MatrixView<float> probabilities, MatrixView<float> targets, int firstColumn, MatrixView<float> columns)
    {
        var context = new Context(probabilities, targets, columns) { FirstColumn = firstColumn };
        Run(&context, &HessianRootRows);
    }

    private void Run(Context* context, delegate*<void*, int, void> body) =>
        device.Workers.Run(RowTasks.Count(context->OutputRows, context->Columns), body, context);

    private static void ForwardRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.OutputRows, c.Columns);
        bool past = c.Output(0) != c.Input(0) && ElementLoop.GoesPast<TVector>(c.Output(0), c.OutputStride, c.OutputRows, c.Columns);
        for (int row = first; row < end; row++)
        {
            c.Losses[row] = past
                ? ForwardRow<TSimd, TVector>(true, c.Input(row), c.Target(row), c.Output(row), c.Columns)
                : ForwardRow<TSimd, TVector>(false, c.Input(row), c.Target(row), c.Output(row), c.Columns);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float ForwardRow<TSimd, TVector>(bool past, float* z, float* t, float* p, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector losses = TSimd.Zero;
        int i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            TVector loss = Element<TSimd, TVector>(TSimd.Load(z + i), TSimd.Load(t + i), out TVector probability);
            if (past)
            {
                TSimd.StoreStreaming(probability, p + i);
            }
            else
            {
                TSimd.Store(probability, p + i);
            }

            losses = TSimd.Add(losses, loss);
        }

        if (i < count)
        {
            int rest = count - i;
            TVector loss = Element<TSimd, TVector>(
                TSimd.LoadPartial(z + i, rest), TSimd.LoadPartial(t + i, rest), out TVector probability);
            TSimd.StorePartial(probability, p + i, rest);
            losses = TSimd.Add(losses, TSimd.Select(TSimd.First(rest), loss, TSimd.Zero));
        }

        return TSimd.Sum(losses);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Element<TSimd, TVector>(TVector z, TVector t, out TVector probability)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector tail = SimdMath<TSimd, TVector>.ExpOfNegativeMagnitude(z);
        probability = SimdMath<TSimd, TVector>.Sigmoid(z, tail);
        TVector negative = TSimd.Subtract(TSimd.Zero, z);
        TVector linear = TSimd.MultiplyAdd(negative, t, TSimd.AtLeast(z, TSimd.Zero));
        TVector loss = TSimd.Add(linear, SimdMath<TSimd, TVector>.LogOnePlus(tail));
        return TSimd.Select(TSimd.IsNaN(t), TSimd.Zero, loss);
    }

    private static void SampleRows<TLanes, TSimd, TVector>(void* pointer, int task)
        where TLanes : struct, IPhiloxLanes
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        uint* memory = stackalloc uint[PhiloxSteps.Most + CacheLine.Floats];
        uint* words = CacheLine.Align(memory);
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.OutputRows, c.Columns);
        bool past = c.Output(0) != c.Input(0) && c.Output(0) != c.Target(0) && ElementLoop.IsBeyondCaches((long)c.OutputRows * c.Columns);
        for (int row = first; row < end; row++)
        {
            float* p = c.Input(row);
            float* t = c.Target(row);
            float* s = c.Output(row);
            int count;
            for (int start = 0; start < c.Columns; start += count)
            {
                ulong number = c.Offset + ((ulong)row * (ulong)c.Columns) + (ulong)start;
                count = PhiloxSteps.Length(number, c.Columns - start);
                PhiloxWords<TLanes>.Fill(c.Key, number, words, count);
                bool stepPast = past && (nuint)(s + start) % (nuint)sizeof(TVector) == 0;
                ElementSpan<SampleMap, TSimd, TVector>.Apply(stepPast, default, (float*)words, p + start, t + start, s + start, count);
            }
        }
    }

    private static void HessianRootRows(void* pointer, int task)
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.OutputRows, c.Columns);
        for (int row = first; row < end; row++)
        {
            int example = row % c.InputRows;
            int column = c.FirstColumn + (row / c.InputRows);
            float p = c.Input(example)[column];
            float* s = c.Output(row);
            new Span<float>(s, c.Columns).Clear();
            s[column] = float.IsNaN(c.Target(example)[column]) ? 0 : MathF.Sqrt(p * (1 - p));
        }
    }

    private readonly struct SampleMap : IElementMap
    {
        public static int Loads => 7;

        public static int Stores => 8;

        public void Apply<TSimd, TVector>(ref TVector word, ref TVector p, ref TVector t, ref TVector s)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector isDrawn = TSimd.Less(SimdBoxMuller<TSimd, TVector>.Uniform(word), p);
            TVector drawn = TSimd.Select(isDrawn, TSimd.Create(1), TSimd.Zero);
            s = TSimd.Select(TSimd.IsNaN(t), TSimd.Create(float.NaN), drawn);
        }
    }

    private readonly struct GradientMap(float scale) : IElementMap
    {
        public static int Loads => 3;

        public static int Stores => 4;

        public void Apply<TSimd, TVector>(ref TVector p, ref TVector t, ref TVector g, ref TVector unused)
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            TVector scaled = TSimd.Multiply(TSimd.Create(scale), TSimd.Subtract(p, t));
            g = TSimd.Select(TSimd.IsNaN(t), TSimd.Zero, scaled);
        }
    }

    private struct Context(MatrixView<float> input, MatrixView<float> targets, MatrixView<float> output)
    {
        public readonly int InputRows = input.Rows;
        public readonly int OutputRows = output.Rows;
        public readonly int Columns = output.Columns;
        public readonly long OutputStride = output.RowStride;
        public float* Losses;
        public int FirstColumn;
        public PhiloxKey Key;
        public ulong Offset;
        private readonly float* _input = input.Pointer;
        private readonly long _inputStride = input.RowStride;
        private readonly float* _targets = targets.Pointer;
        private readonly long _targetStride = targets.RowStride;
        private readonly float* _output = output.Pointer;

        public readonly float* Input(int row) => _input + (row * _inputStride);

        public readonly float* Target(int row) => _targets + (row * _targetStride);

        public readonly float* Output(int row) => _output + (row * OutputStride);
    }
}
