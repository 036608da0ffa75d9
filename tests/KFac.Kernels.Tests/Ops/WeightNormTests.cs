using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class WeightNormTests
{
    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Forward_agrees_with_float64(string key) => ForEachShape(key, hasGain: true, (device, arena, data) =>
    {
        GuardedMatrix<float> apart = data.Shape.New(device, arena);
        WeightNorm.Forward(device.DefaultStream, data.V.View, data.Gain.View.AsVector(), apart.View);
        double[] expected = WeightNormReference.Forward(data.V64, data.Gain64, data.Shape.Columns);
        double[] tolerance = Array.ConvertAll(expected, static w => ErrorBound.Gamma(3) * Math.Abs(w));
        ErrorBound.AssertWithinAndSharp(apart.Read(), expected, tolerance, $"weight norm {data.Shape}");

        WeightNorm.Forward(device.DefaultStream, data.V.View, default, apart.View);
        expected = WeightNormReference.Forward(data.V64, null, data.Shape.Columns);
        tolerance = Array.ConvertAll(expected, static w => ErrorBound.Gamma(3) * Math.Abs(w));
        ErrorBound.AssertWithinAndSharp(apart.Read(), expected, tolerance, $"weight norm of length 1 {data.Shape}");

        WeightNorm.Forward(device.DefaultStream, data.V.View, default, data.V.View);
        Assert.Equal(apart.Read(), data.V.Read());
        apart.AssertGuards();
        data.V.AssertGuards();
    });

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Backward_agrees_with_float64(string key) => ForEachShape(key, hasGain: true, (device, arena, data) => CheckBackward(device, arena, data));

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Backward_without_gains_agrees_with_float64(string key) => ForEachShape(key, hasGain: false, (device, arena, data) => CheckBackward(device, arena, data));

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void A_row_without_a_direction_spoils_no_other(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        GuardedMatrix<float> v = new GuardedMatrix<float>(device.DefaultStream, arena, 4, 2).Write([0, 0, 3, 4, 1, float.NaN, -8, 6]);
        WeightNorm.Forward(device.DefaultStream, v.View, default, v.View);
        Assert.Equal([float.NaN, float.NaN, 0.6f, 0.8f, float.NaN, float.NaN, -0.8f, 0.6f], v.Read());
    }

    [Fact]
    public void Threads_change_no_bit()
    {
        const int Rows = 97, Columns = 401;
        float[]? first = null;
        foreach (int threads in (int[])[1, 2, 3])
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            DeviceStream stream = device.DefaultStream;
            GuardedMatrix<float> v = new GuardedMatrix<float>(stream, arena, Rows, Columns).Write(TestData.Uniform(Rows * Columns, 1));
            GuardedMatrix<float> gain = new GuardedMatrix<float>(stream, arena, 1, Rows).Write(TestData.Uniform(Rows, 2));
            GuardedMatrix<float> g = new GuardedMatrix<float>(stream, arena, Rows, Columns).Write(TestData.Uniform(Rows * Columns, 3));
            WeightNorm.Backward(stream, v.View, gain.View.AsVector(), g.View, 0f, g.View, arena.Vector<float>(Rows));
            WeightNorm.Forward(stream, v.View, gain.View.AsVector(), v.View);
            float[] bits = [.. v.Read(), .. g.Read()];
            first ??= bits;
            Assert.Equal(first, bits);
        }
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream s = device.DefaultStream;
        GuardedMatrix<float> v = new GuardedMatrix<float>(s, arena, 4, 3).Write(TestData.Uniform(12, 1));
        GuardedMatrix<float> g = new GuardedMatrix<float>(s, arena, 4, 3).Write(TestData.Uniform(12, 2));
        var y = new GuardedMatrix<float>(s, arena, 4, 3);
        VectorView<float> gain = arena.Vector<float>(4), gains = arena.Vector<float>(4), two = arena.Vector<float>(2);
        Refusal.Of(() => WeightNorm.Forward(s, v.View, two, y.View), y);
        Refusal.Of(() => WeightNorm.Forward(s, v.View, gain, y.View.RowRange(0, 3)), y);
        Refusal.Of(() => WeightNorm.Forward(s, v.View.RowRange(0, 3), default, v.View.RowRange(1, 3)), v);
        Refusal.Of(() => WeightNorm.Forward(s, arena.Matrix<float>(4, 1).Slice(0, 0, 4, 0), default, y.View.Slice(0, 0, 4, 0)), y);
        Refusal.Of(() => WeightNorm.Backward(s, v.View, gain, g.View, 0f, y.View, default), y);
        Refusal.Of(() => WeightNorm.Backward(s, v.View, default, g.View, 0f, y.View, gains), y);
        Refusal.Of(() => WeightNorm.Backward(s, v.View, gain, g.View, 0f, y.View, gain), y);
        Refusal.Of(() => WeightNorm.Backward(s, v.View, gain, g.View, 1f, g.View, gains), g);
        Refusal.Of(() => WeightNorm.Backward(s, v.View, gain, g.View, 0f, v.View, gains), v);
        Refusal.Of(() => WeightNorm.Backward(s, v.View, gain, g.View, float.NaN, y.View, gains), y);
        Refusal.Of(() => WeightNorm.Backward(s, v.View, gain, g.View.RowRange(0, 3), 0f, y.View, gains), y);
        Refusal.OfStaleViews(arena, () => WeightNorm.Forward(s, v.View, gain, y.View));
    }

    private static void CheckBackward(Device device, Arena arena, Data data)
    {
        if (data.Shape.Columns > 2000)
        {
            return; // The reference forms every row's Jacobian.
        }

        (int rows, int columns) = (data.Shape.Rows, data.Shape.Columns);
        float[] dw = TestData.Uniform(data.Shape.Length, 5);
        double[] dw64 = TestData.ToDouble(dw);
        (double[] directions, double[] gains) = WeightNormReference.Backward(data.V64, data.Gain64, dw64, columns);
        float[] old = TestData.Uniform(data.Shape.Length, 6);
        float[] oldGains = TestData.Uniform(rows, 7);
        foreach (float beta in (float[])[0f, 0.5f])
        {
            GuardedMatrix<float> gradient = data.Shape.New(device, arena, dw, extraGap: 1);
            GuardedMatrix<float> dv = data.Shape.New(device, arena);
            int gainCount = data.Gain64 is null ? 0 : rows;
            var dg = new GuardedMatrix<float>(device.DefaultStream, arena, 1, gainCount, 0, data.Shape.Offset);
            if (beta != 0)
            {
                dv.Write(old);
                dg.Write(oldGains.AsSpan(0, gainCount));
            }

            WeightNorm.Backward(
                device.DefaultStream, data.V.View, data.Gain.View.AsVector(), gradient.View, beta, dv.View, dg.View.AsVector());
            (double[] tolerance, double[] gainTolerance) = data.BackwardTolerance(dw64);
            ErrorBound.AssertWithinAndSharp(
                dv.Read(), Sum(directions, old, beta), [.. tolerance.Select((bound, i) => bound + (ErrorBound.Gamma(2) * Math.Abs(beta * old[i])))],
                $"weight norm directions {data.Shape}, beta {beta}");
            ErrorBound.AssertWithinAndSharp(
                dg.Read(),
                Sum(gains[..gainCount], oldGains, beta),
                [.. gainTolerance.Take(gainCount).Select((bound, i) => bound + (ErrorBound.Gamma(2) * Math.Abs(beta * oldGains[i])))],
                $"weight norm gains {data.Shape}, beta {beta}");
            dv.AssertGuards();
            dg.AssertGuards();
            if (beta == 0)
            {
                WeightNorm.Backward(
                    device.DefaultStream, data.V.View, data.Gain.View.AsVector(), gradient.View, 0f, gradient.View, dg.View.AsVector());
                Assert.Equal(dv.Read(), gradient.Read());
            }
        }
    }

    private static double[] Sum(double[] terms, float[] old, float beta) => [.. terms.Select((term, i) => term + ((double)beta * old[i]))];

    private static void ForEachShape(string key, bool hasGain, Action<Device, Arena, Data> check)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (OpShapes.Shape shape in OpShapes.All.Where(static shape => shape.Columns > 0))
        {
            check(device, arena, new Data(device, arena, shape, hasGain));
            arena.Reset();
        }
    }

    /// <summary>Rows of lengths that lie far apart.</summary>
    private sealed class Data
    {
        public Data(Device device, Arena arena, OpShapes.Shape shape, bool hasGain)
        {
            Shape = shape;
            float[] v = TestData.Uniform(shape.Length, 1);
            for (int i = 0; i < v.Length; i++)
            {
                v[i] *= 1 + (i / shape.Columns % 5 * 100);
            }

            float[] gain = TestData.Uniform(hasGain ? shape.Rows : 0, 2);
            V = shape.New(device, arena, v);
            Gain = new GuardedMatrix<float>(device.DefaultStream, arena, 1, gain.Length, 0, shape.Offset).Write(gain);
            V64 = TestData.ToDouble(v);
            Gain64 = hasGain ? TestData.ToDouble(gain) : null;
        }

        public OpShapes.Shape Shape { get; }

        public GuardedMatrix<float> V { get; }

        public GuardedMatrix<float> Gain { get; }

        public double[] V64 { get; }

        public double[]? Gain64 { get; }

        /// <summary>As <see cref="WeightNorm.Backward"/> documents it, but for what is kept of old gradients.</summary>
        public (double[] Directions, double[] Gains) BackwardTolerance(double[] dw)
        {
            int columns = Shape.Columns;
            var squares = new double[Shape.Rows];
            var products = new double[Shape.Rows];
            for (int i = 0; i < dw.Length; i++)
            {
                squares[i / columns] += V64[i] * V64[i];
                products[i / columns] += Math.Abs(dw[i] * V64[i]);
            }

            var directions = new double[dw.Length];
            for (int i = 0; i < dw.Length; i++)
            {
                int row = i / columns;
                double scale = Math.Abs(Gain64?[row] ?? 1) / Math.Sqrt(squares[row]);
                directions[i] = ErrorBound.Gamma(5) * scale * (Math.Abs(dw[i]) + (products[row] * Math.Abs(V64[i]) / squares[row]));
            }

            return (directions, [.. products.Select((product, row) => ErrorBound.Gamma(2) * product / Math.Sqrt(squares[row]))]);
        }
    }
}
