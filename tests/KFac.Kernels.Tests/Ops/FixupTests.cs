using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class FixupTests
{
    private const float First = -0.3f, Second = 0.7f, Scale = 0.5f;

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Forward_agrees_with_float64(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (OpShapes.Shape shape in OpShapes.All)
        {
            float[] xs = TestData.Uniform(shape.Length, 1), skips = TestData.Uniform(shape.Length, 2);
            GuardedMatrix<float> x = shape.New(device, arena, xs, extraGap: 1), skip = shape.New(device, arena, skips);
            GuardedMatrix<float> activated = shape.New(device, arena), joined = shape.New(device, arena, extraGap: 2);
            (VectorView<float> first, VectorView<float> second) = Scalars(stream, arena);
            Fixup.Activate(stream, x.View, first, second, activated.View);
            Fixup.Join(stream, skip.View, x.View, first, second, Scale, joined.View);

            double[] x64 = TestData.ToDouble(xs);
            ErrorBound.AssertWithinAndSharp(
                activated.Read(),
                FixupReference.Activate(x64, First, Second),
                [.. x64.Select(v => (ErrorBound.Gamma(2) * (Math.Abs(v) + Math.Abs(First))) + (ErrorBound.Gamma(1) * Second))],
                $"activate {shape}");
            ErrorBound.AssertWithinAndSharp(
                joined.Read(),
                FixupReference.Join(TestData.ToDouble(skips), x64, First, Second, Scale),
                [.. x64.Select((v, i) => (ErrorBound.Gamma(4) * Scale * (Math.Abs(First * v) + Second)) + (ErrorBound.Gamma(1) * Math.Abs(skips[i])))],
                $"join {shape}");
            AssertGuards(x, skip, activated, joined);
            Fixup.Activate(stream, x.View, first, second, x.View);
            Assert.Equal(activated.Read(), x.Read());
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Backward_agrees_with_float64_with_sums_and_with_seeds(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (OpShapes.Shape shape in OpShapes.All)
        {
            int seeds = 1 + (shape.Columns % 3);
            float[] xs = TestData.Uniform(shape.Length, 1), gs = TestData.Uniform(shape.Length * seeds, 2);
            double[] x64 = TestData.ToDouble(xs), g64 = TestData.ToDouble(gs);
            GuardedMatrix<float> x = shape.New(device, arena, xs, extraGap: 1), g = shape.New(device, arena, shape.Rows * seeds, gs);
            GuardedMatrix<float> activated = shape.New(device, arena, shape.Rows * seeds), joined = shape.New(device, arena, shape.Rows * seeds, extraGap: 2);
            VectorView<float> first = Scalars(stream, arena).First;
            Fixup.ActivateBackward(stream, x.View, first, g.View, activated.View);
            Fixup.JoinBackward(stream, x.View, first, Scale, g.View, joined.View);
            Assert.Equal(FixupReference.ActivateBackward(x64, First, g64).Input, TestData.ToDouble(activated.Read()));
            double[] product = FixupReference.JoinBackward(x64, First, Scale, g64).Input;
            ErrorBound.AssertWithinAndSharp(joined.Read(), product, [.. product.Select(v => ErrorBound.Gamma(2) * Math.Abs(v))], $"join′ {shape}");
            AssertGuards(x, g, activated, joined);

            foreach (float beta in (float[])[0, 0.5f])
            {
                CompareSums(device, arena, shape, xs, gs[..shape.Length], beta);
            }

            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void What_is_not_a_number_stays_so(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        (VectorView<float> first, VectorView<float> second) = Scalars(stream, arena);
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 1, 2).Write([float.NaN, 1]);
        GuardedMatrix<float> g = new GuardedMatrix<float>(stream, arena, 1, 2).Write([1, float.NaN]);
        var y = new GuardedMatrix<float>(stream, arena, 1, 2);
        var sums = new GuardedMatrix<float>(stream, arena, 2, 1);
        Fixup.Activate(stream, x.View, first, second, y.View);
        Assert.Equal([true, false], y.Read().Select(float.IsNaN));
        Fixup.ActivateBackward(stream, x.View, first, g.View, y.View, 0, sums.View.Row(0), sums.View.Row(1));
        Assert.All(y.Read(), v => Assert.True(float.IsNaN(v)));
        Assert.All(sums.Read(), v => Assert.True(float.IsNaN(v)));
    }

    [Fact]
    public void Threads_and_vectors_do_not_change_sums()
    {
        float[] xs = TestData.Uniform(700 * 1031, 1), gs = TestData.Uniform(700 * 1031, 2);
        var results = new List<float[]>();
        foreach (int threads in (int[])[1, 2, 3])
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            DeviceStream stream = device.DefaultStream;
            GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 700, 1031, 1).Write(xs);
            GuardedMatrix<float> g = new GuardedMatrix<float>(stream, arena, 700, 1031, 1).Write(gs);
            var sums = new GuardedMatrix<float>(stream, arena, 4, 1);
            VectorView<float> first = Scalars(stream, arena).First;
            Fixup.ActivateBackward(stream, x.View, first, g.View, g.View, 0, sums.View.Row(0), sums.View.Row(1));
            Fixup.JoinBackward(stream, x.View, first, Scale, g.View, g.View, 0, sums.View.Row(2), sums.View.Row(3));
            results.Add([.. sums.Read(), .. g.Read()]);
        }

        Assert.Equal(results[0], results[1]);
        Assert.Equal(results[0], results[2]);
    }

    [Fact]
    public void Refuses_what_does_not_fit()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream s = device.DefaultStream;
        (VectorView<float> first, VectorView<float> second) = Scalars(s, arena);
        MatrixView<float> x = arena.Matrix<float>(3, 4), wrong = arena.Matrix<float>(4, 3), twice = arena.Matrix<float>(6, 4);
        var y = new GuardedMatrix<float>(s, arena, 6, 4);
        MatrixView<float> half = y.View.RowRange(0, 3);
        Refusal.Of(() => Fixup.Activate(s, wrong, first, second, half), y);
        Refusal.Of(() => Fixup.Activate(s, x, arena.Vector<float>(2), second, half), y);
        Refusal.Of(() => Fixup.Activate(s, x, first, half.Row(0).Slice(0, 1), half), y);
        Refusal.Of(() => Fixup.Join(s, wrong, x, first, second, 1, half), y);
        Refusal.Of(() => Fixup.Join(s, x, half, first, second, 1, half), y);
        Refusal.Of(() => Fixup.Join(s, x, x, first, second, float.NaN, half), y);
        Refusal.Of(() => Fixup.ActivateBackward(s, x, first, arena.Matrix<float>(5, 4), y.View.RowRange(0, 5)), y);
        Refusal.Of(() => Fixup.ActivateBackward(s, x, first, twice, y.View, 0, first, second), y);
        Refusal.Of(() => Fixup.ActivateBackward(s, x, first, x, half, 0, second, second), y);
        Refusal.Of(() => Fixup.JoinBackward(s, x, first, float.PositiveInfinity, x, half), y);
        Refusal.Of(() => Fixup.JoinBackward(s, x, first, 1, x, half, float.NaN, arena.Vector<float>(1), second), y);
        Refusal.OfStaleViews(arena, () => Fixup.Activate(s, x, first, second, x));
    }

    private static void CompareSums(Device device, Arena arena, OpShapes.Shape shape, float[] xs, float[] gs, float beta)
    {
        DeviceStream stream = device.DefaultStream;
        double[] x64 = TestData.ToDouble(xs), g64 = TestData.ToDouble(gs);
        GuardedMatrix<float> x = shape.New(device, arena, xs, extraGap: 1), g = shape.New(device, arena, gs), result = shape.New(device, arena);
        VectorView<float> first = Scalars(stream, arena).First;
        GuardedMatrix<float> sums = new GuardedMatrix<float>(stream, arena, 4, 1).Write([beta == 0 ? float.NaN : 1, beta == 0 ? float.NaN : 2, 3, 4]);
        Fixup.ActivateBackward(stream, x.View, first, g.View, result.View, beta, sums.View.Row(0), sums.View.Row(1));
        (double[] input, double before, double after) = FixupReference.ActivateBackward(x64, First, g64);
        Assert.Equal(input, TestData.ToDouble(result.Read()));
        Fixup.JoinBackward(stream, x.View, first, Scale, g.View, g.View, beta, sums.View.Row(2), sums.View.Row(3));
        (double[] scaled, double multiplier, double bias) = FixupReference.JoinBackward(x64, First, Scale, g64);
        ErrorBound.AssertWithinAndSharp(g.Read(), scaled, [.. scaled.Select(v => ErrorBound.Gamma(2) * Math.Abs(v))], $"join′ {shape}");

        double[] old = beta == 0 ? [0, 0, 0, 0] : [beta, 2 * beta, 3 * beta, 4 * beta];
        double[] expected = [before + old[0], after + old[1], multiplier + old[2], bias + old[3]];
        double[] magnitudes =
        [
            input.Sum(Math.Abs), g64.Sum(Math.Abs), Scale * g64.Select((v, i) => Math.Abs(v * x64[i])).Sum(), Scale * g64.Sum(Math.Abs),
        ];
        ErrorBound.AssertWithinAndSharp(
            sums.Read(), expected, [.. magnitudes.Select((v, i) => ErrorBound.Gamma(2) * (v + old[i]))], $"sums {shape}");
        AssertGuards(x, g, result, sums);
    }

    private static (VectorView<float> First, VectorView<float> Second) Scalars(DeviceStream stream, Arena arena)
    {
        VectorView<float> scalars = arena.Vector<float>(2);
        stream.Upload<float>([First, Second], scalars);
        return (scalars.Slice(0, 1), scalars.Slice(1, 1));
    }

    private static void AssertGuards(params ReadOnlySpan<GuardedMatrix<float>> matrices)
    {
        foreach (GuardedMatrix<float> matrix in matrices)
        {
            matrix.AssertGuards();
        }
    }
}
