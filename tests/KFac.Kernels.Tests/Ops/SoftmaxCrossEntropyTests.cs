using FsCheck;
using FsCheck.Fluent;
using KFac.Reference;
using KFac.Testing;
using Xunit;
using TestData = KFac.Testing.TestData;

namespace KFac.Kernels.Tests;

public sealed class SoftmaxCrossEntropyTests
{
    private const float Spread = 5;

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void ForwardAndGradientAgreeWithTheReference(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (OpShapes.Shape shape in OpShapes.All.Where(s => s.Columns > 0))
        {
            int c = shape.Columns;
            float[] zs = [.. TestData.Uniform(shape.Length, 1).Select(v => Spread * v)];
            int[] ys = Labels(shape.Rows, c);
            GuardedMatrix<float> z = shape.New(device, arena, zs, extraGap: 1);
            GuardedMatrix<float> p = shape.New(device, arena);
            GuardedMatrix<float> g = shape.New(device, arena, extraGap: 2);
            var losses = new GuardedMatrix<float>(stream, arena, 1, shape.Rows, 0, 1);
            VectorView<int> labels = Upload(stream, arena, ys);
            SoftmaxCrossEntropy.Forward(stream, z.View, labels, p.View, losses.View.AsVector());
            SoftmaxCrossEntropy.Gradient(stream, p.View, labels, 0.5f, g.View);

            double[][] rows = Rows(zs, shape.Rows, c);
            double[][] exact = [.. rows.Select(SoftmaxCrossEntropyReference.Probabilities)];
            double relative = ErrorBound.Gamma(c + 8 + (4 * Spread));
            double[] probabilities = [.. exact.SelectMany(v => v)];
            ErrorBound.AssertWithinAndSharp(p.Read(), probabilities, [.. probabilities.Select(v => relative * v)], $"p {shape}");
            double[] loss = [.. rows.Select((row, i) => SoftmaxCrossEntropyReference.Loss(row, ys[i]))];
            ErrorBound.AssertWithinAndSharp(
                losses.Read(), loss, [.. loss.Select(v => v == 0 ? 0 : relative + ErrorBound.Gamma(3 * 2 * Spread))], $"loss {shape}");
            double[] gradient = [.. exact.SelectMany((row, i) => SoftmaxCrossEntropyReference.Gradient(row, ys[i]).Select(v => 0.5 * v))];
            double[] tolerance = [.. probabilities.Select((v, i) => gradient[i] == 0 ? 0 : relative * (v + Math.Abs(gradient[i])))];
            ErrorBound.AssertWithinAndSharp(g.Read(), gradient, tolerance, $"gradient {shape}");
            foreach (GuardedMatrix<float> matrix in new[] { z, p, g, losses })
            {
                matrix.AssertGuards();
            }

            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void SmoothedLossAndGradientAgreeWithTheReference(string key)
    {
        const float Smoothing = 0.1f;
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (OpShapes.Shape shape in OpShapes.All.Where(s => s.Columns > 0))
        {
            int c = shape.Columns;
            float[] zs = [.. TestData.Uniform(shape.Length, 1).Select(v => Spread * v)];
            int[] ys = Labels(shape.Rows, c);
            GuardedMatrix<float> z = shape.New(device, arena, zs, extraGap: 1);
            GuardedMatrix<float> p = shape.New(device, arena);
            var losses = new GuardedMatrix<float>(stream, arena, 1, shape.Rows, 0, 1);
            VectorView<int> labels = Upload(stream, arena, ys);
            SoftmaxCrossEntropy.Forward(stream, z.View, labels, p.View, losses.View.AsVector(), Smoothing);
            double[][] rows = Rows(zs, shape.Rows, c);
            double relative = ErrorBound.Gamma(c + 8 + (4 * Spread));
            double[] loss = [.. rows.Select((row, i) => SoftmaxCrossEntropyReference.SmoothedLoss(row, ys[i], Smoothing))];
            double rounding = relative + ErrorBound.Gamma(3 * 2 * Spread) + (ErrorBound.Gamma(c + 4) * Smoothing * 2 * Spread);
            ErrorBound.AssertWithinAndSharp(losses.Read(), loss, [.. ys.Select(y => y < 0 ? 0 : rounding)], $"loss {shape}");

            SoftmaxCrossEntropy.Gradient(stream, p.View, labels, 0.5f, p.View, Smoothing);
            double[][] exact = [.. rows.Select(SoftmaxCrossEntropyReference.Probabilities)];
            double[] gradient = [.. exact.SelectMany((row, i) => SoftmaxCrossEntropyReference.SmoothedGradient(row, ys[i], Smoothing).Select(v => 0.5 * v))];
            double[] tolerance = [.. gradient.Select((_, i) => ys[i / c] < 0 ? 0 : (relative * exact[i / c][i % c]) + ErrorBound.Gamma(4))];
            ErrorBound.AssertWithinAndSharp(p.Read(), gradient, tolerance, $"gradient {shape}");
            losses.AssertGuards();
            p.AssertGuards();
            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void HessianRootColumnsAgreeWithTheReferenceInAnyBatch(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach ((int n, int c, int first, int count) in new[] { (1, 1, 0, 1), (7, 10, 0, 10), (7, 10, 3, 4), (33, 17, 16, 1), (5, 3, 1, 0), (0, 3, 0, 3), (200, 49, 0, 49) })
        {
            float[] ps = Probabilities(n, c);
            int[] ys = Labels(n, c);
            GuardedMatrix<float> p = new GuardedMatrix<float>(stream, arena, n, c, 3, 1).Write(ps);
            var s = new GuardedMatrix<float>(stream, arena, n * count, c, 2, 1);
            SoftmaxCrossEntropy.HessianRoot(stream, p.View, Upload(stream, arena, ys), first, s.View);
            double[][] rows = Rows(ps, n, c);
            double[] expected = [.. Enumerable.Range(0, count).SelectMany(k =>
                rows.SelectMany((row, i) => SoftmaxCrossEntropyReference.HessianRoot(row, ys[i], first + k)))];
            ErrorBound.AssertWithinAndSharp(
                s.Read(), expected, [.. expected.Select(e => ErrorBound.Gamma(3) * Math.Abs(e))], $"root {n}×{c} from {first}");
            p.AssertGuards();
            s.AssertGuards();
            arena.Reset();
        }
    }

    [Fact]
    public void ReferenceRootSquaresToTheHessianAndGradientIsItsFiniteDifference()
    {
        double[] z = [0.3, -1.2, 2.0, 0.7];
        double[] p = SoftmaxCrossEntropyReference.Probabilities(z);
        double[] hessian = SoftmaxCrossEntropyReference.Hessian(p);
        double[] gradient = SoftmaxCrossEntropyReference.Gradient(p, 2);
        const double h = 1e-5;
        for (int i = 0; i < 4; i++)
        {
            double[] up = [.. z.Select((v, c) => c == i ? v + h : v)];
            double[] down = [.. z.Select((v, c) => c == i ? v - h : v)];
            double slope = (SoftmaxCrossEntropyReference.Loss(up, 2) - SoftmaxCrossEntropyReference.Loss(down, 2)) / (2 * h);
            Assert.Equal(slope, gradient[i], 1e-9);
            for (int j = 0; j < 4; j++)
            {
                double square = Enumerable.Range(0, 4).Sum(c =>
                    SoftmaxCrossEntropyReference.HessianRoot(p, 0, c)[i] * SoftmaxCrossEntropyReference.HessianRoot(p, 0, c)[j]);
                Assert.Equal(hessian[(i * 4) + j], square, 1e-12);
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void SampleFollowsThePhiloxNumberAndTheMasks(string key)
    {
        const int n = 3001;
        const int c = 7;
        float[] ps = Probabilities(n, c);
        int[] ys = Labels(n, c);
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> p = new GuardedMatrix<float>(stream, arena, n, c, 1, 1).Write(ps);
        VectorView<int> sampled = arena.Vector<int>(n);
        SoftmaxCrossEntropy.Sample(stream, p.View, Upload(stream, arena, ys), new PhiloxKey(5, 9), 1234567890123, sampled);
        var drawn = new int[n];
        stream.Download(sampled, drawn);
        for (int i = 0; i < n; i++)
        {
            double u = PhiloxReference.Uniform(PhiloxReference.Word(5, 9, 4 * (1234567890123UL + (ulong)i)));
            float sum = 0;
            int expected = Enumerable.Range(0, c).First(k => u < (sum += ps[(i * c) + k]) || k == c - 1);
            Assert.Equal(ys[i] < 0 ? -1 : expected, drawn[i]);
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void SampleNeverDrawsAnImpossibleClass(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> p = new GuardedMatrix<float>(stream, arena, 1, 4).Write([0, 0, 1e-30f, 0]);
        VectorView<int> sampled = arena.Vector<int>(1);
        SoftmaxCrossEntropy.Sample(stream, p.View, Upload(stream, arena, [0]), default, 0, sampled);
        Assert.Equal(2, stream.Read(sampled));
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void ExtremeLogitsAndNaN(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> z = new GuardedMatrix<float>(stream, arena, 4, 3).Write(
            [3e38f, -3e38f, 0, 1000, 1000, -1000, float.NaN, 0, 0, 0, float.NegativeInfinity, 0]);
        var p = new GuardedMatrix<float>(stream, arena, 4, 3);
        VectorView<float> losses = arena.Vector<float>(4);
        SoftmaxCrossEntropy.Forward(stream, z.View, Upload(stream, arena, [0, 2, 1, 0]), p.View, losses);
        Assert.Equal([1, 0, 0, 0.5f, 0.5f, 0, float.NaN, float.NaN, float.NaN, 0.5f, 0, 0.5f], p.Read());
        var loss = new float[4];
        stream.Download(losses, loss);
        Assert.Equal(0, loss[0]);
        Assert.Equal(2000 + Math.Log(2), loss[1], 2e-4);
        Assert.True(float.IsNaN(loss[2]));
        Assert.Equal(Math.Log(2), loss[3], 1e-6);
    }

    [Fact]
    public void RowsSumToOneAndShiftsChangeLittle()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        Prop.ForAll(
            ArbMap.Default.ArbFor<ulong>(),
            ArbMap.Default.ArbFor<byte>(),
            (seed, size) =>
            {
                int c = 1 + size;
                float[] zs = [.. TestData.Uniform(c, seed).Select(v => Spread * v)];
                float[] plain = Softmax(stream, arena, zs);
                float[] shifted = Softmax(stream, arena, [.. zs.Select(v => v + 64)]);
                bool sumsToOne = Math.Abs(plain.Sum(v => (double)v) - 1) <= ErrorBound.Gamma(c + 8);
                bool invariant = plain.Zip(shifted).All(pair => Math.Abs(pair.First - pair.Second) <= 3e-5 * pair.First);
                arena.Reset();
                return sumsToOne && invariant;
            }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void ThreadsChangeNothingAndInPlaceIsTheSame()
    {
        float[] zs = [.. TestData.Uniform(1001 * 33, 1).Select(v => Spread * v)];
        var results = new List<float[]>();
        foreach (int threads in new[] { 1, 2, 3 })
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            DeviceStream stream = device.DefaultStream;
            VectorView<int> labels = Upload(stream, arena, Labels(1001, 33));
            GuardedMatrix<float> z = new GuardedMatrix<float>(stream, arena, 1001, 33).Write(zs);
            GuardedMatrix<float> p = threads == 1 ? new GuardedMatrix<float>(stream, arena, 1001, 33) : z;
            VectorView<float> losses = arena.Vector<float>(1001);
            SoftmaxCrossEntropy.Forward(stream, z.View, labels, p.View, losses);
            var loss = new float[1001];
            stream.Download(losses, loss);
            results.Add([.. p.Read(), .. loss]);
        }

        Assert.Equal(results[0], results[1]);
        Assert.Equal(results[0], results[2]);
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void LabelsThatAreNoClassMakeTheirRowNaNAndTouchNothingElse(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        int[] ys = [0, 5, 4, int.MaxValue, -1, -2, int.MinValue, 1];
        foreach (float smoothing in new[] { 0f, 0.1f })
        {
            GuardedMatrix<float> z = new GuardedMatrix<float>(stream, arena, ys.Length, 5, 3, 1).Write(TestData.Uniform(5 * ys.Length, 1));
            var p = new GuardedMatrix<float>(stream, arena, ys.Length, 5, 3, 1);
            var g = new GuardedMatrix<float>(stream, arena, ys.Length, 5, 3, 1);
            var losses = new GuardedMatrix<float>(stream, arena, 1, ys.Length, 0, 1);
            VectorView<int> labels = Upload(stream, arena, ys);
            SoftmaxCrossEntropy.Forward(stream, z.View, labels, p.View, losses.View.AsVector(), smoothing);
            SoftmaxCrossEntropy.Gradient(stream, p.View, labels, 1, g.View, smoothing);

            bool[] isNaN = [.. ys.Select(y => y is < -1 or >= 5)];
            Assert.Equal(isNaN, losses.Read().Select(float.IsNaN));
            Assert.Equal(isNaN.SelectMany(nan => Enumerable.Repeat(nan, 5)), g.Read().Select(float.IsNaN));
            Assert.DoesNotContain(float.NaN, p.Read());
            foreach (GuardedMatrix<float> matrix in new[] { z, p, g, losses })
            {
                matrix.AssertGuards();
            }
        }
    }

    [Fact]
    public void RefusesWhatDoesNotFit()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> z = arena.Matrix<float>(3, 4);
        VectorView<int> labels = arena.Vector<int>(3);
        var p = new GuardedMatrix<float>(stream, arena, 3, 4);
        VectorView<float> losses = arena.Vector<float>(3);
        Refusal.Of(() => SoftmaxCrossEntropy.Forward(stream, z, arena.Vector<int>(4), p.View, losses), p);
        Refusal.Of(() => SoftmaxCrossEntropy.Forward(stream, z, labels, p.View, arena.Vector<float>(2)), p);
        Refusal.Of(() => SoftmaxCrossEntropy.Forward(stream, arena.Matrix<float>(4, 3), labels, p.View, losses), p);
        Refusal.Of(() => SoftmaxCrossEntropy.Forward(stream, z, labels, p.View, p.View.Slice(0, 0, 1, 3).AsVector()), p);
        Refusal.Of(() => SoftmaxCrossEntropy.Forward(stream, arena.Matrix<float>(3, 0), labels, arena.Matrix<float>(3, 0), losses), p);
        Refusal.Of(() => SoftmaxCrossEntropy.Gradient(stream, z, labels, float.NaN, p.View), p);
        Refusal.Of(() => SoftmaxCrossEntropy.HessianRoot(stream, z, labels, 2, arena.Matrix<float>(9, 4)), p);
        Refusal.Of(() => SoftmaxCrossEntropy.HessianRoot(stream, z, labels, -1, p.View), p);
        Refusal.Of(() => SoftmaxCrossEntropy.HessianRoot(stream, z, labels, 0, arena.Matrix<float>(4, 4)), p);
        Refusal.Of(() => SoftmaxCrossEntropy.Sample(stream, z, labels, default, 0, arena.Vector<int>(4)), p);
        Refusal.OfStaleViews(arena, () => SoftmaxCrossEntropy.Gradient(stream, z, labels, 1, p.View));
    }

    private static float[] Softmax(DeviceStream stream, Arena arena, float[] z)
    {
        GuardedMatrix<float> p = new GuardedMatrix<float>(stream, arena, 1, z.Length).Write(z);
        SoftmaxCrossEntropy.Forward(stream, p.View, Upload(stream, arena, [0]), p.View, arena.Vector<float>(1));
        return p.Read();
    }

    private static VectorView<int> Upload(DeviceStream stream, Arena arena, int[] values)
    {
        VectorView<int> view = arena.Vector<int>(values.Length);
        stream.Upload(values, view);
        return view;
    }

    /// <summary>Labels from −1 (masked) to C − 1.</summary>
    private static int[] Labels(int rows, int classes) => [.. TestData.Integers(rows, classes + 1, 7).Select(v => v - 1)];

    private static double[][] Rows(float[] values, int rows, int columns) =>
        [.. Enumerable.Range(0, rows).Select(i => TestData.ToDouble(values.AsSpan(i * columns, columns)))];

    private static float[] Probabilities(int rows, int columns) =>
        [.. Rows(TestData.Uniform(rows * columns, 3), rows, columns)
            .SelectMany(SoftmaxCrossEntropyReference.Probabilities).Select(v => (float)v)];
}
