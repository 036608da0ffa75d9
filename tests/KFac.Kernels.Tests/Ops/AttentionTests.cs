using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class AttentionTests
{
    private static readonly AttentionCase[] _cases =
    [
        Case(1, 1, 1, 1, 1, 1, causal: false),
        Case(2, 1, 3, 5, 4, 7, causal: false),
        Case(2, 3, 17, 17, 5, 8, causal: true),
        Case(1, 2, 63, 65, 16, 3, causal: true),
        Case(1, 2, 65, 63, 16, 3, causal: true),
        Case(2, 2, 129, 129, 8, 8, causal: false),
        Case(1, 1, 130, 40, 33, 17, causal: false),
        Case(3, 2, 9, 11, 4, 4, causal: false) with { KeyCounts = [11, 0, 3] },
        Case(3, 2, 70, 70, 4, 4, causal: true) with { KeyCounts = [65, 70, 1] },
        Case(1, 2, 65, 70, 33, 65, causal: true),
        Case(2, 1, 40, 129, 64, 36, causal: false) with { KeyCounts = [129, 70] },
        Case(1, 1, 33, 32, 132, 32, causal: true),
        Case(1, 1, 261, 270, 3, 2, causal: true),
        Case(2, 1, 260, 257, 2, 3, causal: false) with { KeyCounts = [200, 257] },
        Case(0, 2, 3, 3, 2, 2, causal: false),
        Case(2, 1, 0, 3, 2, 2, causal: false),
        Case(2, 1, 3, 0, 2, 2, causal: false),
    ];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Outputs_agree_with_float64(string key) => ForEachCase(key, static data => CheckOutputs(data, roundoff: 0));

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Gradients_agree_with_float64_seed_by_seed(string key) => ForEachCase(key, static data => CheckGradients(data, roundoff: 0));

    /// <summary>Both factors of every product are rounded to the precision (unit roundoff u).</summary>
    [SkippableTheory]
    [InlineData(MatrixPrecision.Fma, 0)]
    [InlineData(MatrixPrecision.Tf32, 1.0 / (1 << 11))]
    [InlineData(MatrixPrecision.Bfloat16, 1.0 / (1 << 8))]
    public void Every_precision_keeps_its_bound(MatrixPrecision precision, double roundoff)
    {
        using Device device = TestDevice.OpenCudaHost(new DeviceOptions { Precision = precision });
        using var arena = new Arena(device);
        var data = new Data(device, arena, Case(1, 2, 65, 70, 33, 65, causal: true));
        CheckOutputs(data, roundoff);
        CheckGradients(data, roundoff);
    }

    /// <summary>The reference itself, which the other tests trust.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void The_reference_gradients_are_finite_differences(bool causal)
    {
        AttentionCase c = Case(2, 2, 4, 5, 3, 2, causal) with { KeyCounts = [5, 2] };
        (double[] q, double[] k, double[] v) = (Numbers(48, 1), Numbers(60, 2), Numbers(40, 3));
        double[] g = Numbers(32, 4);
        (double[] dq, double[] dk, double[] dv) = AttentionReference.Backward(c, q, k, v, g);
        double Loss(double[] a, double[] b, double[] d) => AttentionReference.Forward(c, a, b, d).Zip(g, static (x, y) => x * y).Sum();
        Close(FiniteDifference.Gradient(x => Loss(x, k, v), q), dq);
        Close(FiniteDifference.Gradient(x => Loss(q, x, v), k), dk);
        Close(FiniteDifference.Gradient(x => Loss(q, k, x), v), dv);
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Large_scores_do_not_overflow_and_a_bad_key_spoils_only_queries_that_see_it(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> q = new GuardedMatrix<float>(stream, arena, 3, 1).Write([100, 100, 100]);
        GuardedMatrix<float> k = new GuardedMatrix<float>(stream, arena, 3, 1).Write([100, -100, float.NaN]);
        GuardedMatrix<float> v = new GuardedMatrix<float>(stream, arena, 3, 1).Write([1, 2, 3]);
        var o = new GuardedMatrix<float>(stream, arena, 3, 1);
        Attention.Forward(
            stream, new AttentionShape(1, 1, 3, 3, 1, 1), new AttentionMask(true, default), 1, q.View, k.View, v.View, o.View, arena.Matrix<float>(3, 1));
        Assert.Equal([1, 1, float.NaN], o.Read());
    }

    [Fact]
    public void Threads_change_no_bit()
    {
        float[]? first = null;
        foreach (int threads in (int[])[1, 2, 3])
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            var data = new Data(device, arena, Case(2, 3, 100, 100, 9, 8, causal: true));
            data.Forward();
            GuardedMatrix<float> dQ = data.New(200, 27, 0), dK = data.New(200, 27, 0), dV = data.New(200, 24, 0);
            data.Backward(data.Outputs, (dQ.View, 0), (dK.View, 0), (dV.View, 0));
            float[] all = [.. data.Outputs.Read(), .. dQ.Read(), .. dK.Read(), .. dV.Read()];
            first ??= all;
            Assert.Equal(first, all);
        }
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream s = device.DefaultStream;
        var shape = new AttentionShape(2, 1, 3, 4, 2, 5);
        MatrixView<float> q = arena.Matrix<float>(6, 2), k = arena.Matrix<float>(8, 2), v = arena.Matrix<float>(8, 5), l = arena.Matrix<float>(6, 1);
        var o = new GuardedMatrix<float>(s, arena, 6, 5);
        AttentionMask none = default;
        Refusal.Of(() => Attention.Forward(s, shape with { Heads = 0 }, none, 1, q, k, v, o.View, l), o);
        Refusal.Of(() => Attention.Forward(s, shape, none, float.NaN, q, k, v, o.View, l), o);
        Refusal.Of(() => Attention.Forward(s, shape, none, 1, k, k, v, o.View, l), o);
        Refusal.Of(() => Attention.Forward(s, shape, none, 1, q, q, v, o.View, l), o);
        Refusal.Of(() => Attention.Forward(s, shape, none, 1, q, k, k, o.View, l), o);
        Refusal.Of(() => Attention.Forward(s, shape, none, 1, q, k, v, o.View.RowRange(0, 5), l), o);
        Refusal.Of(() => Attention.Forward(s, shape, none, 1, q, k, v, o.View, l.RowRange(0, 5)), o);
        Refusal.Of(() => Attention.Forward(s, shape, none, 1, o.View.Slice(0, 0, 6, 2), k, v, o.View, l), o);
        Refusal.Of(() => Attention.Forward(s, shape, new AttentionMask(false, arena.Vector<int>(3)), 1, q, k, v, o.View, l), o);
        Refusal.Of(() => Attention.Backward(s, shape, none, 1, q, k, v, o.View, l, o.View, (q, 0), (arena.Matrix<float>(8, 2), 0), (v, 0)), o);
        Refusal.Of(
            () => Attention.Backward(
                s, shape, none, 1, q, k, v, arena.Matrix<float>(6, 5), l, o.View, (arena.Matrix<float>(6, 2), float.NaN), (arena.Matrix<float>(8, 2), 0), (arena.Matrix<float>(8, 5), 0)),
            o);
        Refusal.OfStaleViews(arena, () => Attention.Forward(s, shape, none, 1, q, k, v, o.View, l));
    }

    private static AttentionCase Case(int examples, int heads, int queries, int keys, int keyWidth, int valueWidth, bool causal) => new(
        examples, heads, queries, keys, keyWidth, valueWidth, (float)(1 / Math.Sqrt(keyWidth)), causal, [.. Enumerable.Repeat(keys, examples)]);

    private static void ForEachCase(string key, Action<Data> check)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (AttentionCase c in _cases)
        {
            check(new Data(device, arena, c));
            arena.Reset();
        }
    }

    private static void CheckOutputs(Data data, double roundoff)
    {
        data.Forward();
        ErrorBound.AssertWithinAndSharp(
            data.Outputs.Read(),
            AttentionReference.Forward(data.Case, data.Q64, data.K64, data.V64),
            new AttentionBounds(data.Case, data.Q64, data.K64, data.V64, roundoff).Outputs(),
            $"outputs {data.Case}");
        data.Outputs.AssertGuards();
        data.LogSums.AssertGuards();
    }

    private static void CheckGradients(Data data, double roundoff)
    {
        const int Seeds = 2;
        AttentionCase c = data.Case;
        data.Forward();
        float[] gradients = TestData.Uniform(Seeds * data.Outputs.View.Rows * data.Outputs.View.Columns, 7);
        GuardedMatrix<float> dO = data.New(Seeds * c.Examples * c.Queries, c.Heads * c.ValueWidth, gap: 1).Write(gradients);
        GuardedMatrix<float> dQ = data.New(Seeds * c.Examples * c.Queries, c.Heads * c.KeyWidth, gap: 0);
        GuardedMatrix<float> dK = data.New(Seeds * c.Examples * c.Keys, c.Heads * c.KeyWidth, gap: 2);
        float[] old = TestData.Uniform(Seeds * c.Examples * c.Keys * c.Heads * c.ValueWidth, 8);
        GuardedMatrix<float> dV = data.New(Seeds * c.Examples * c.Keys, c.Heads * c.ValueWidth, gap: 3).Write(old);
        data.Backward(dO, (dQ.View, 0), (dK.View, 0), (dV.View, 0.5f));

        (float[] q, float[] k, float[] v) = (dQ.Read(), dK.Read(), dV.Read());
        for (int seed = 0; seed < Seeds; seed++)
        {
            double[] seedGradients = TestData.ToDouble(Part(gradients, seed, Seeds));
            (double[] q64, double[] k64, double[] v64) = AttentionReference.Backward(c, data.Q64, data.K64, data.V64, seedGradients);
            var bounds = new AttentionBounds(c, data.Q64, data.K64, data.V64, roundoff);
            (double[] qBound, double[] kBound, double[] vBound) = bounds.Gradients(seedGradients);
            double[] kept = Array.ConvertAll(Part(old, seed, Seeds), value => 0.5 * value);
            ErrorBound.AssertWithinAndSharp(Part(q, seed, Seeds), q64, qBound, $"query gradients {c}");
            ErrorBound.AssertWithinAndSharp(Part(k, seed, Seeds), k64, kBound, $"key gradients {c}");
            ErrorBound.AssertWithinAndSharp(
                Part(v, seed, Seeds),
                [.. v64.Zip(kept, static (sum, part) => sum + part)],
                [.. vBound.Zip(kept, (bound, part) => bound + (ErrorBound.Gamma(c.Queries + 2) * Math.Abs(part)))],
                $"value gradients {c}");
        }

        Assert.All((GuardedMatrix<float>[])[dO, dQ, dK, dV], static matrix => matrix.AssertGuards());
    }

    private static float[] Part(float[] all, int index, int count) =>
        all.AsSpan(index * (all.Length / count), all.Length / count).ToArray();

    private static double[] Numbers(int count, ulong seed) => TestData.ToDouble(TestData.Uniform(count, seed));

    private static void Close(double[] actual, double[] expected)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            Assert.Equal(expected[i], actual[i], 1e-8);
        }
    }

    /// <summary>A case's inputs on the device, with heads of unequal size of scores. What is padding there is NaN.</summary>
    private sealed class Data
    {
        private readonly DeviceStream _stream;
        private readonly Arena _arena;
        private readonly AttentionMask _mask;
        private readonly GuardedMatrix<float> _q;
        private readonly GuardedMatrix<float> _k;
        private readonly GuardedMatrix<float> _v;

        public Data(Device device, Arena arena, AttentionCase c)
        {
            (_stream, _arena, Case) = (device.DefaultStream, arena, c);
            float[] q = [.. TestData.Uniform(c.Examples * c.Queries * c.Heads * c.KeyWidth, 1).Select(static x => 2 * x)];
            float[] k = [.. TestData.Uniform(c.Examples * c.Keys * c.Heads * c.KeyWidth, 2).Select(static x => 3 * x)];
            float[] v = TestData.Uniform(c.Examples * c.Keys * c.Heads * c.ValueWidth, 3);
            (Q64, K64, V64) = (TestData.ToDouble(q), TestData.ToDouble(k), TestData.ToDouble(v));
            PoisonPadding(k, c, c.Heads * c.KeyWidth);
            PoisonPadding(v, c, c.Heads * c.ValueWidth);
            _q = New(c.Examples * c.Queries, c.Heads * c.KeyWidth, 2).Write(q);
            _k = New(c.Examples * c.Keys, c.Heads * c.KeyWidth, 0).Write(k);
            _v = New(c.Examples * c.Keys, c.Heads * c.ValueWidth, 1).Write(v);
            Outputs = New(c.Examples * c.Queries, c.Heads * c.ValueWidth, 3);
            LogSums = New(c.Examples * c.Queries, c.Heads, 1);
            VectorView<int> counts = arena.Vector<int>(c.Examples);
            _stream.Upload(c.KeyCounts, counts);
            _mask = new AttentionMask(c.Causal, c.KeyCounts.All(count => count == c.Keys) ? default : counts);
        }

        public AttentionCase Case { get; }

        public GuardedMatrix<float> Outputs { get; }

        public GuardedMatrix<float> LogSums { get; }

        public double[] Q64 { get; }

        public double[] K64 { get; }

        public double[] V64 { get; }

        private AttentionShape Shape => new(Case.Examples, Case.Heads, Case.Queries, Case.Keys, Case.KeyWidth, Case.ValueWidth);

        public GuardedMatrix<float> New(int rows, int columns, int gap) => new(_stream, _arena, rows, columns, gap, offset: 1);

        public void Forward() =>
            Attention.Forward(_stream, Shape, _mask, (float)Case.Scale, _q.View, _k.View, _v.View, Outputs.View, LogSums.View);

        public void Backward(
            GuardedMatrix<float> outputGradients,
            (MatrixView<float> Matrix, float Beta) dQ,
            (MatrixView<float> Matrix, float Beta) dK,
            (MatrixView<float> Matrix, float Beta) dV) => Attention.Backward(
                _stream, Shape, _mask, (float)Case.Scale, _q.View, _k.View, _v.View, Outputs.View, LogSums.View, outputGradients.View, dQ, dK, dV);

        private static void PoisonPadding(float[] rows, AttentionCase c, int columns)
        {
            for (int example = 0; example < c.Examples; example++)
            {
                rows.AsSpan(((example * c.Keys) + c.KeyCounts[example]) * columns, (c.Keys - c.KeyCounts[example]) * columns).Fill(float.NaN);
            }
        }
    }
}
