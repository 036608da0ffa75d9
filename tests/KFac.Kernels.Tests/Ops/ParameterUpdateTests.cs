using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class ParameterUpdateTests
{
    private static readonly int[] Lengths = [.. TestData.EdgeSizes, 40_003];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void MomentumAndNesterovAgreeWithTheReference(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (int n in Lengths)
        {
            foreach (bool nesterov in new[] { false, true })
            {
                var step = new MomentumStep(0.1f, 0.9f, 0.01f, nesterov);
                (float[] gs, float[] vs, float[] ts) = (TestData.Uniform(n, 1), TestData.Uniform(n, 2), TestData.Uniform(n, 3));
                GuardedMatrix<float> g = Row(stream, arena, gs);
                GuardedMatrix<float> v = Row(stream, arena, vs);
                GuardedMatrix<float> theta = Row(stream, arena, ts);
                ParameterUpdate.Momentum(stream, step, g.View.AsVector(), v.View.AsVector(), theta.View.AsVector());
                (double Velocity, double Parameter)[] expected = [.. gs.Select((x, i) => ParameterUpdateReference.Momentum(
                    x, vs[i], ts[i], step.LearningRate, step.Momentum, step.WeightDecay, nesterov))];

                // Inputs are at most 1, so a term's size is bounded by its coefficients.
                double velocity = ErrorBound.Gamma(4) * (1 + step.WeightDecay + step.Momentum);
                double parameter = ErrorBound.Gamma(7) * (1 + (step.LearningRate * (2 + step.WeightDecay + (2 * step.Momentum))));
                ErrorBound.AssertWithinAndSharp(
                    v.Read(), [.. expected.Select(e => e.Velocity)], [.. expected.Select(_ => velocity)], $"v, {n}");
                ErrorBound.AssertWithinAndSharp(
                    theta.Read(), [.. expected.Select(e => e.Parameter)], [.. expected.Select(_ => parameter)], $"θ, {n}");
                Assert.Equal(gs, g.Read());
                AssertGuards(g, v, theta);
                arena.Reset();
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void AdamAgreesWithTheReference(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (int n in Lengths)
        {
            foreach (float gradientCorrection in new[] { 0, 0.7f })
            {
                var step = new AdamStep(0.01f, 0.9f, 0.999f, 1e-8f, 0.1f, 1.25f, gradientCorrection, 2.5f);
                float[] gs = TestData.Uniform(n, 1);
                float[] ms = TestData.Uniform(n, 2);
                float[] vs = [.. TestData.Uniform(n, 3).Select(x => x + 1.25f)];
                float[] ts = TestData.Uniform(n, 4);
                GuardedMatrix<float> g = Row(stream, arena, gs);
                GuardedMatrix<float> m = Row(stream, arena, ms);
                GuardedMatrix<float> v = Row(stream, arena, vs);
                GuardedMatrix<float> theta = Row(stream, arena, ts);
                ParameterUpdate.Adam(
                    stream, step, g.View.AsVector(), m.View.AsVector(), v.View.AsVector(), theta.View.AsVector());
                (double First, double Second, double Parameter)[] expected = [.. gs.Select((x, i) => ParameterUpdateReference.Adam(
                    x,
                    ms[i],
                    vs[i],
                    ts[i],
                    (step.LearningRate, step.Beta1, step.Beta2, step.Epsilon, step.WeightDecay),
                    (step.FirstCorrection, step.GradientCorrection, step.SecondCorrection)))];
                double[] parameter = [.. expected.Select(e => ErrorBound.Gamma(16)
                    * (1 + (step.LearningRate * (1.25 + gradientCorrection) / Math.Sqrt(step.SecondCorrection * e.Second))))];
                ErrorBound.AssertWithinAndSharp(
                    m.Read(), [.. expected.Select(e => e.First)], [.. expected.Select(_ => ErrorBound.Gamma(3))], $"m, {n}");
                ErrorBound.AssertWithinAndSharp(
                    v.Read(), [.. expected.Select(e => e.Second)], [.. expected.Select(e => ErrorBound.Gamma(4) * e.Second)], $"v, {n}");
                ErrorBound.AssertWithinAndSharp(theta.Read(), [.. expected.Select(e => e.Parameter)], parameter, $"θ, {n}");
                AssertGuards(g, m, v, theta);
                arena.Reset();
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void NumbersOnTheDeviceReplaceThoseOfTheStep(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        double[] numbers = [0.02, 1.5, 0.25, 1.75];
        var adam = new AdamStep((float)numbers[0], 0.9f, 0.999f, 1e-8f, 0.1f, (float)numbers[1], (float)numbers[2], (float)numbers[3]);
        AdamStep other = adam with { LearningRate = 7, FirstCorrection = 8, GradientCorrection = 9, SecondCorrection = 10 };
        VectorView<double> onDevice = arena.Vector<double>(4);
        stream.Upload<double>(numbers, onDevice);
        foreach (int n in new[] { 0, 1, 5, 1031 })
        {
            Assert.Equal(Stepped(adam, default), Stepped(other, onDevice));
            foreach (bool nesterov in new[] { false, true })
            {
                var momentum = new MomentumStep((float)numbers[0], 0.9f, 0.01f, nesterov);
                Assert.Equal(Moved(momentum, default), Moved(momentum with { LearningRate = 7 }, onDevice.Slice(0, 1)));
            }

            float[] Stepped(in AdamStep step, VectorView<double> numbers)
            {
                GuardedMatrix<float>[] rows = [.. Enumerable.Range(1, 4).Select(i => Row(stream, arena, TestData.Uniform(n, (ulong)i)))];
                Elementwise.Fill(stream, 1, rows[2].View);
                ParameterUpdate.Adam(
                    stream, step, rows[0].View.AsVector(), rows[1].View.AsVector(), rows[2].View.AsVector(), rows[3].View.AsVector(), numbers);
                return [.. rows.SelectMany(row => row.Read())];
            }

            float[] Moved(in MomentumStep step, VectorView<double> numbers)
            {
                GuardedMatrix<float>[] rows = [.. Enumerable.Range(1, 3).Select(i => Row(stream, arena, TestData.Uniform(n, (ulong)i)))];
                ParameterUpdate.Momentum(stream, step, rows[0].View.AsVector(), rows[1].View.AsVector(), rows[2].View.AsVector(), numbers);
                return [.. rows.SelectMany(row => row.Read())];
            }
        }

        VectorView<float> empty = arena.Vector<float>(0);
        Assert.Throws<ArgumentException>(() => ParameterUpdate.Momentum(stream, default, empty, empty, empty, onDevice));
        Assert.Throws<ArgumentException>(() => ParameterUpdate.Adam(stream, default, empty, empty, empty, empty, onDevice.Slice(0, 3)));
    }

    [Fact]
    public void ThreadsChangeNothingAndNaNShows()
    {
        float[] gs = TestData.Uniform(100_003, 1);
        gs[70_000] = float.NaN;
        var results = new List<float[]>();
        foreach (int threads in new[] { 1, 2, 3 })
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            DeviceStream stream = device.DefaultStream;
            GuardedMatrix<float> v = Row(stream, arena, TestData.Uniform(100_003, 2));
            GuardedMatrix<float> theta = Row(stream, arena, TestData.Uniform(100_003, 3));
            ParameterUpdate.Momentum(
                stream, new MomentumStep(0.1f, 0.9f, 0, true), Row(stream, arena, gs).View.AsVector(), v.View.AsVector(), theta.View.AsVector());
            results.Add(theta.Read());
        }

        Assert.Equal(float.NaN, results[0][70_000]);
        Assert.Equal(results[0], results[1]);
        Assert.Equal(results[0], results[2]);
    }

    [Fact]
    public void RefusesWhatDoesNotFit()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        VectorView<float> four = arena.Vector<float>(4);
        VectorView<float> five = arena.Vector<float>(5);
        var theta = new GuardedMatrix<float>(stream, arena, 1, 5);
        VectorView<float> parameters = theta.View.AsVector();
        Refusal.Of(() => ParameterUpdate.Momentum(stream, default, four, five, parameters), theta);
        Refusal.Of(() => ParameterUpdate.Momentum(stream, default, five, parameters, parameters), theta);
        Refusal.Of(() => ParameterUpdate.Momentum(stream, new MomentumStep(float.NaN, 0, 0, false), five, arena.Vector<float>(5), parameters), theta);
        Refusal.Of(() => ParameterUpdate.Adam(stream, default, five, four, five, parameters), theta);
        Refusal.Of(() => ParameterUpdate.Adam(stream, default, five, arena.Vector<float>(5), five, parameters), theta);
        Refusal.Of(
            () => ParameterUpdate.Adam(stream, default(AdamStep) with { Beta1 = float.NaN }, five, arena.Vector<float>(5), arena.Vector<float>(5), parameters),
            theta);
        Refusal.OfStaleViews(arena, () => ParameterUpdate.Momentum(stream, default, five, five, parameters));
    }

    private static GuardedMatrix<float> Row(DeviceStream stream, Arena arena, float[] values) =>
        new GuardedMatrix<float>(stream, arena, 1, values.Length, 0, values.Length % 3).Write(values);

    private static void AssertGuards(params GuardedMatrix<float>[] matrices) => Assert.All(matrices, m => m.AssertGuards());
}
