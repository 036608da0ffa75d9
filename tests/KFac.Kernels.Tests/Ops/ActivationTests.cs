using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class ActivationTests
{
    private static readonly ActivationKind[] Kinds = Enum.GetValues<ActivationKind>();
    private static readonly float[] Swept = Sweep();
    private static readonly Dictionary<ActivationKind, double[]> Values = Kinds.ToDictionary(
        kind => kind, kind => Swept.Select(x => Value(kind, x)).ToArray());
    private static readonly Dictionary<ActivationKind, double[]> Derivatives = Kinds.ToDictionary(
        kind => kind, kind => Swept.Select(x => Derivative(kind, x)).ToArray());

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void ForwardKeepsItsBoundOverEveryMagnitude(string key)
    {
        float[] xs = Swept;
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        GuardedMatrix<float> x = new GuardedMatrix<float>(device.DefaultStream, arena, 1, xs.Length).Write(xs);
        var y = new GuardedMatrix<float>(device.DefaultStream, arena, 1, xs.Length);
        foreach (ActivationKind kind in Kinds)
        {
            Activation.Forward(device.DefaultStream, kind, x.View, y.View);
            double[] expected = Values[kind];
            ErrorBound.AssertWithinAndSharp(
                y.Read(), expected, [.. expected.Select(e => Activation.ForwardUlps * Ulp(e))], $"{kind}");
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void BackwardKeepsItsBoundOverEveryMagnitude(string key)
    {
        float[] xs = Swept;
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        GuardedMatrix<float> x = new GuardedMatrix<float>(device.DefaultStream, arena, 1, xs.Length).Write(xs);
        GuardedMatrix<float> y = new GuardedMatrix<float>(device.DefaultStream, arena, 1, xs.Length);
        GuardedMatrix<float> ones = new GuardedMatrix<float>(device.DefaultStream, arena, 1, xs.Length)
            .Write([.. xs.Select(_ => 1f)]);
        var gradient = new GuardedMatrix<float>(device.DefaultStream, arena, 1, xs.Length);
        foreach (ActivationKind kind in Kinds)
        {
            Activation.Forward(device.DefaultStream, kind, x.View, y.View);
            Activation.Backward(device.DefaultStream, kind, x.View, y.View, ones.View, gradient.View);
            double[] expected = Derivatives[kind];
            double[] tolerance = [.. expected.Select(e => kind == ActivationKind.Relu || double.IsNaN(e) ? 0 : Activation.DerivativeError)];
            ErrorBound.AssertWithinAndSharp(gradient.Read(), expected, tolerance, $"{kind}′");
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void ShapesPlacementsAndSeeds(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (OpShapes.Shape shape in OpShapes.All)
        {
            ActivationKind kind = Kinds[shape.Columns % Kinds.Length];
            int seeds = 1 + (shape.Columns % 3);
            float[] xs = [.. TestData.Uniform(shape.Length, 1).Select(v => 3 * v)];
            float[] gs = TestData.Uniform(shape.Length * seeds, 2);
            GuardedMatrix<float> x = shape.New(device, arena, xs, extraGap: 1);
            GuardedMatrix<float> y = shape.New(device, arena);
            GuardedMatrix<float> g = shape.New(device, arena, shape.Rows * seeds, gs, extraGap: 2);
            GuardedMatrix<float> dx = shape.New(device, arena, shape.Rows * seeds);
            Activation.Forward(stream, kind, x.View, y.View);
            Activation.Backward(stream, kind, x.View, y.View, g.View, dx.View);
            double[] value = [.. xs.Select(v => Value(kind, v))];
            double[] product = [.. gs.Select((v, i) => v * Derivative(kind, xs[i % shape.Length]))];
            double[] tolerance = [.. gs.Select((v, i) =>
                (Activation.DerivativeError * Math.Abs(v)) + Ulp(product[i]))];
            ErrorBound.AssertWithinAndSharp(
                y.Read(), value, [.. value.Select(v => Activation.ForwardUlps * Ulp(v))], $"{kind} {shape}");
            ErrorBound.AssertWithinAndSharp(dx.Read(), product, tolerance, $"{kind}′ {shape}");
            foreach (GuardedMatrix<float> matrix in new[] { x, y, g, dx })
            {
                matrix.AssertGuards();
            }

            arena.Reset();
        }
    }

    [Fact]
    public void InPlaceMeansTheSameAndThreadsChangeNothing()
    {
        float[] xs = TestData.Uniform(301 * 67, 1);
        float[] gs = TestData.Uniform(301 * 67, 2);
        foreach (ActivationKind kind in Kinds)
        {
            var results = new List<float[]>();
            foreach (int threads in new[] { 1, 2, 3 })
            {
                using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
                using var arena = new Arena(device);
                DeviceStream stream = device.DefaultStream;
                GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 301, 67, 1).Write(xs);
                GuardedMatrix<float> y = new GuardedMatrix<float>(stream, arena, 301, 67, 1).Write(xs);
                GuardedMatrix<float> g = new GuardedMatrix<float>(stream, arena, 301, 67, 1).Write(gs);
                Activation.Forward(stream, kind, y.View, y.View);
                Activation.Backward(stream, kind, x.View, y.View, g.View, g.View);
                results.Add([.. y.Read(), .. g.Read()]);
            }

            Assert.Equal(results[0], results[1]);
            Assert.Equal(results[0], results[2]);
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void AnElementsBitsDoNotDependOnItsPlace(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (ActivationKind kind in Kinds)
        {
            VectorView<float> x = arena.Vector<float>(45);
            device.DefaultStream.Upload([.. Enumerable.Repeat(-0.7391f, 45)], x);
            Activation.Forward(device.DefaultStream, kind, x.AsMatrix(1, 45), x.AsMatrix(1, 45));
            var y = new float[45];
            device.DefaultStream.Download(x, y);
            Assert.All(y, value => Assert.Equal(y[0], value));
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void LimitsAndNaN(string key)
    {
        float[] xs = [float.NaN, float.PositiveInfinity, float.NegativeInfinity, 0, -0f];
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        var expected = new Dictionary<ActivationKind, (float[] Value, float[] Derivative)>
        {
            [ActivationKind.Relu] = ([float.NaN, float.PositiveInfinity, 0, 0, 0], [float.NaN, 1, 0, 0, 0]),
            [ActivationKind.Tanh] = ([float.NaN, 1, -1, 0, 0], [float.NaN, 0, 0, 1, 1]),
            [ActivationKind.Sigmoid] = ([float.NaN, 1, 0, 0.5f, 0.5f], [float.NaN, 0, 0, 0.25f, 0.25f]),
            [ActivationKind.Gelu] = ([float.NaN, float.PositiveInfinity, 0, 0, 0], [float.NaN, 1, 0, 0.5f, 0.5f]),
        };
        foreach ((ActivationKind kind, (float[] values, float[] derivatives)) in expected)
        {
            GuardedMatrix<float> x = new GuardedMatrix<float>(device.DefaultStream, arena, 1, 5).Write(xs);
            var y = new GuardedMatrix<float>(device.DefaultStream, arena, 1, 5);
            GuardedMatrix<float> g = new GuardedMatrix<float>(device.DefaultStream, arena, 1, 5).Write([1, 1, 1, 1, 1]);
            Activation.Forward(device.DefaultStream, kind, x.View, y.View);
            Activation.Backward(device.DefaultStream, kind, x.View, y.View, g.View, g.View);
            Assert.Equal(values, y.Read().Select(v => v == 0 ? 0 : v));
            Assert.Equal(derivatives, g.Read().Select(v => v == 0 ? 0 : v));
        }
    }

    [Fact]
    public void DerivativesAgreeWithFiniteDifferencesOfTheReference()
    {
        foreach (ActivationKind kind in Kinds)
        {
            for (double x = -6.013; x < 6; x += 0.0731)
            {
                const double h = 1e-5;
                double slope = (Value(kind, x + h) - Value(kind, x - h)) / (2 * h);
                Assert.Equal(slope, Derivative(kind, x), 1e-8);
            }
        }
    }

    [Fact]
    public void RefusesWhatDoesNotFit()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> x = arena.Matrix<float>(3, 4);
        MatrixView<float> wrong = arena.Matrix<float>(4, 3);
        var y = new GuardedMatrix<float>(stream, arena, 3, 4);
        var dx = new GuardedMatrix<float>(stream, arena, 6, 4);
        Refusal.Of(() => Activation.Forward(stream, ActivationKind.Tanh, wrong, y.View), y);
        Refusal.Of(() => Activation.Forward(stream, (ActivationKind)17, x, y.View), y);
        Refusal.Of(() => Activation.Backward(stream, ActivationKind.Tanh, x, y.View, arena.Matrix<float>(5, 4), dx.View), dx);
        Refusal.Of(() => Activation.Backward(stream, ActivationKind.Tanh, x, wrong, arena.Matrix<float>(6, 4), dx.View), dx);
        Refusal.Of(() => Activation.Backward(stream, ActivationKind.Tanh, x, y.View, arena.Matrix<float>(3, 4), y.View), y);
        Refusal.OfStaleViews(arena, () => Activation.Forward(stream, ActivationKind.Tanh, x, y.View));
    }

    private static double Value(ActivationKind kind, double x) => kind switch
    {
        ActivationKind.Relu => ActivationReference.Relu(x),
        ActivationKind.Tanh => ActivationReference.Tanh(x),
        ActivationKind.Sigmoid => ActivationReference.Sigmoid(x),
        _ => ActivationReference.Gelu(x),
    };

    private static double Derivative(ActivationKind kind, double x) => kind switch
    {
        ActivationKind.Relu => ActivationReference.ReluDerivative(x),
        ActivationKind.Tanh => ActivationReference.TanhDerivative(x),
        ActivationKind.Sigmoid => ActivationReference.SigmoidDerivative(x),
        _ => ActivationReference.GeluDerivative(x),
    };

    /// <summary>Spacing of float32 numbers at a magnitude, subnormal ones included.</summary>
    private static double Ulp(double value)
    {
        double magnitude = Math.Abs(value);
        return magnitude < float.MinValue * -1
            ? Math.Pow(2, Math.Max(Math.ILogB(Math.Max(magnitude, 1e-300)), -126) - 23)
            : 0;
    }

    /// <summary>Every 40009th bit pattern of both signs: subnormal to infinite, and 32 thousand numbers between ±16.</summary>
    private static float[] Sweep()
    {
        var values = new List<float>();
        for (long bits = 0; bits <= 0x7F800000; bits += 40009)
        {
            float value = BitConverter.Int32BitsToSingle((int)bits);
            values.Add(value);
            values.Add(-value);
        }

        for (int i = -16000; i < 16000; i++)
        {
            values.Add(i / 1000f);
        }

        return [.. values];
    }
}
