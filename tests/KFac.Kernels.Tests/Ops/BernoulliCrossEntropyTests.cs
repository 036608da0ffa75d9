using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class BernoulliCrossEntropyTests
{
    private const float Spread = 9;

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void ForwardAndGradientAgreeWithTheReference(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (OpShapes.Shape shape in OpShapes.All)
        {
            float[] zs = [.. TestData.Uniform(shape.Length, 1).Select(v => Spread * v)];
            float[] ts = Targets(shape.Length);
            GuardedMatrix<float> z = shape.New(device, arena, zs, extraGap: 1);
            GuardedMatrix<float> t = shape.New(device, arena, ts, extraGap: 2);
            GuardedMatrix<float> p = shape.New(device, arena);
            GuardedMatrix<float> g = shape.New(device, arena);
            var losses = new GuardedMatrix<float>(stream, arena, 1, shape.Rows, 0, 1);
            BernoulliCrossEntropy.Forward(stream, z.View, t.View, p.View, losses.View.AsVector());
            BernoulliCrossEntropy.Gradient(stream, p.View, t.View, 0.5f, g.View);

            double[] exact = [.. zs.Select(v => ActivationReference.Sigmoid(v))];
            ErrorBound.AssertWithinAndSharp(p.Read(), exact, [.. exact.Select(v => ErrorBound.Gamma(8) * v)], $"p {shape}");
            double[] gradient = [.. exact.Zip(ts, (v, target) => 0.5 * BernoulliCrossEntropyReference.Gradient(v, target))];
            double[] tolerance = [.. exact.Select((v, i) =>
                float.IsNaN(ts[i]) ? 0 : (ErrorBound.Gamma(8) * v) + (ErrorBound.Gamma(2) * Math.Abs(gradient[i])))];
            ErrorBound.AssertWithinAndSharp(g.Read(), gradient, tolerance, $"gradient {shape}");
            AssertLosses(losses.Read(), zs, ts, shape.Columns);
            foreach (GuardedMatrix<float> matrix in new[] { z, t, p, g, losses })
            {
                matrix.AssertGuards();
            }

            arena.Reset();
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void HessianRootAndSample(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach ((int n, int c, ulong offset) in new[] { (1, 1, 0UL), (5, 7, 3UL), (3, 1301, 2UL), (700, 19, 16_999_999_999UL), (0, 4, 0UL), (2, 64, 0UL) })
        {
            float[] ps = [.. TestData.Uniform(n * c, 1).Select(v => (v + 1) / 2)];
            float[] ts = Targets(n * c);
            GuardedMatrix<float> p = new GuardedMatrix<float>(stream, arena, n, c, 2, 1).Write(ps);
            GuardedMatrix<float> t = new GuardedMatrix<float>(stream, arena, n, c, 1, 0).Write(ts);
            var s = new GuardedMatrix<float>(stream, arena, n, c, 3, 1);
            BernoulliCrossEntropy.Sample(stream, p.View, t.View, new PhiloxKey(3, 4), offset, s.View);
            Assert.Equal(
                ps.Select((v, i) => float.IsNaN(ts[i]) ? float.NaN
                    : PhiloxReference.Uniform(PhiloxReference.Word(3, 4, offset + (ulong)i)) < v ? 1f : 0f),
                s.Read());
            s.AssertGuards();

            int first = c / 2;
            int count = Math.Min(3, c - first);
            var roots = new GuardedMatrix<float>(stream, arena, n * count, c, 1, 1);
            BernoulliCrossEntropy.HessianRoot(stream, p.View, t.View, first, roots.View);
            double[] expected = [.. Enumerable.Range(0, n * count * c).Select(i =>
            {
                int row = i / c % n;
                int column = first + (i / c / n);
                return i % c == column ? BernoulliCrossEntropyReference.HessianRoot(ps[(row * c) + column], ts[(row * c) + column]) : 0;
            })];
            ErrorBound.AssertWithinAndSharp(
                roots.Read(), expected, [.. expected.Select(e => ErrorBound.Gamma(3) * e)], $"root {n}×{c}");
            roots.AssertGuards();
            arena.Reset();
        }
    }

    [Fact]
    public void ReferenceGradientAndRootAgreeWithFiniteDifferences()
    {
        const double h = 1e-4;
        for (double z = -5; z <= 5; z += 0.37)
        {
            double p = ActivationReference.Sigmoid(z);
            double up = BernoulliCrossEntropyReference.Loss(z + h, 0.3);
            double middle = BernoulliCrossEntropyReference.Loss(z, 0.3);
            double down = BernoulliCrossEntropyReference.Loss(z - h, 0.3);
            Assert.Equal((up - down) / (2 * h), BernoulliCrossEntropyReference.Gradient(p, 0.3), 1e-8);
            double root = BernoulliCrossEntropyReference.HessianRoot(p, 0.3);
            Assert.Equal((up - (2 * middle) + down) / (h * h), root * root, 1e-6);
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void ConfidentLogitsKeepTheirTailsAndNaNLogitsShow(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> z = new GuardedMatrix<float>(stream, arena, 4, 1).Write([40, -40, float.NaN, 80]);
        GuardedMatrix<float> t = new GuardedMatrix<float>(stream, arena, 4, 1).Write([1, 1, 0, float.NaN]);
        VectorView<float> losses = arena.Vector<float>(4);
        BernoulliCrossEntropy.Forward(stream, z.View, t.View, z.View, losses);
        var loss = new float[4];
        stream.Download(losses, loss);
        Assert.Equal(Math.Exp(-40), loss[0], 1e-23);
        Assert.Equal(40, loss[1]);
        Assert.Equal(float.NaN, loss[2]);
        Assert.Equal(0, loss[3]);
        Assert.Equal(float.NaN, z.Read()[2]);
    }

    [Fact]
    public void RefusesWhatDoesNotFit()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> z = arena.Matrix<float>(3, 4);
        MatrixView<float> wrong = arena.Matrix<float>(4, 3);
        var p = new GuardedMatrix<float>(stream, arena, 3, 4);
        VectorView<float> losses = arena.Vector<float>(3);
        Refusal.Of(() => BernoulliCrossEntropy.Forward(stream, z, wrong, p.View, losses), p);
        Refusal.Of(() => BernoulliCrossEntropy.Forward(stream, z, p.View, p.View, losses), p);
        Refusal.Of(() => BernoulliCrossEntropy.Forward(stream, z, z, p.View, arena.Vector<float>(4)), p);
        Refusal.Of(() => BernoulliCrossEntropy.Gradient(stream, z, z, float.PositiveInfinity, p.View), p);
        Refusal.Of(() => BernoulliCrossEntropy.Sample(stream, wrong, wrong, default, 0, p.View), p);
        Refusal.Of(() => BernoulliCrossEntropy.HessianRoot(stream, z, z, 4, p.View), p);
        Refusal.OfStaleViews(arena, () => BernoulliCrossEntropy.Gradient(stream, z, z, 1, p.View));
    }

    private static void AssertLosses(float[] losses, float[] zs, float[] ts, int columns)
    {
        double[] expected = [.. losses.Select((_, i) => Enumerable.Range(i * columns, columns)
            .Sum(k => BernoulliCrossEntropyReference.Loss(zs[k], ts[k])))];
        double[] tolerance = [.. losses.Select((_, i) => ErrorBound.Gamma(columns + 8) * Enumerable.Range(i * columns, columns)
            .Sum(k => float.IsNaN(ts[k]) ? 0 : (2 * Math.Abs(zs[k])) + 1))];
        ErrorBound.AssertWithinAndSharp(losses, expected, tolerance, $"losses of {columns}");
    }

    /// <summary>0, 1, NaN and numbers between.</summary>
    private static float[] Targets(int length) =>
        [.. TestData.Integers(length, 5, 11).Select(v => v switch { 0 => 0f, 1 => 1f, 2 => float.NaN, _ => v / 5f })];
}
