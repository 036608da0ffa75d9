using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class LayerNormTests
{
    private const float Epsilon = 1e-5f;

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Forward_agrees_with_float64(string key) => ForEachShape(key, (device, arena, data) =>
    {
        GuardedMatrix<float> y = data.Shape.New(device, arena);
        GuardedMatrix<float> statistics = data.Forward(device, arena, y);
        double[] expected = LayerNormReference.Forward(data.X64, data.Gain64, data.Bias64, Epsilon);
        double[] tolerance = [.. data.Reach().Select((reach, i) =>
            (ErrorBound.Gamma(6) * reach * Math.Abs(data.Gain64[i % data.Columns])) + (ErrorBound.Gamma(1) * Math.Abs(data.Bias64[i % data.Columns])))];
        ErrorBound.AssertWithinAndSharp(y.Read(), expected, tolerance, $"layer norm {data.Shape}");
        y.AssertGuards();
        statistics.AssertGuards();
    });

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Backward_agrees_with_float64_seed_by_seed(string key) => ForEachShape(key, (device, arena, data) =>
    {
        if (data.Columns > 300)
        {
            return; // The reference forms every row's Jacobian.
        }

        const int Seeds = 2;
        GuardedMatrix<float> statistics = data.Forward(device, arena, data.Shape.New(device, arena));
        float[] dy = TestData.Uniform(Seeds * data.Shape.Length, 5);
        GuardedMatrix<float> apart = data.Shape.New(device, arena, Seeds * data.Shape.Rows);
        GuardedMatrix<float> gradient = data.Shape.New(device, arena, Seeds * data.Shape.Rows, dy, extraGap: 1);
        LayerNorm.Backward(device.DefaultStream, data.X.View, statistics.View, data.Gain, gradient.View, apart.View);
        LayerNorm.Backward(device.DefaultStream, data.X.View, statistics.View, data.Gain, gradient.View, gradient.View);

        double[] dy64 = TestData.ToDouble(dy);
        double[] expected = LayerNormReference.Backward(data.X64, data.Gain64, dy64, Epsilon);
        ErrorBound.AssertWithinAndSharp(apart.Read(), expected, data.BackwardTolerance(dy64), $"layer norm backward {data.Shape}");
        Assert.Equal(apart.Read(), gradient.Read());
        apart.AssertGuards();
        gradient.AssertGuards();
    });

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Parameter_gradients_agree_with_float64(string key) => ForEachShape(key, (device, arena, data) =>
    {
        GuardedMatrix<float> statistics = data.Forward(device, arena, data.Shape.New(device, arena));
        float[] dy = TestData.Uniform(data.Shape.Length, 5);
        GuardedMatrix<float> gradient = data.Shape.New(device, arena, dy, extraGap: 1);
        float[] old = TestData.Uniform(2 * data.Columns, 6);
        foreach (float beta in (float[])[0f, 0.5f])
        {
            var result = new GuardedMatrix<float>(device.DefaultStream, arena, 2, data.Columns, data.Shape.Gap, data.Shape.Offset);
            if (beta != 0)
            {
                result.Write(old);
            }

            LayerNorm.ParameterGradients(
                device.DefaultStream, data.X.View, statistics.View, gradient.View, beta, result.View.Row(0), result.View.Row(1));
            double[] dy64 = TestData.ToDouble(dy);
            (double[] gain, double[] bias) = LayerNormReference.ParameterGradients(data.X64, dy64, data.Columns, Epsilon);
            double[] magnitude = Magnitude(data, dy64);
            double[] kept = Array.ConvertAll(old, value => (double)beta * value);
            double[] expected = [.. gain.Concat(bias).Zip(kept, static (sum, part) => sum + part)];
            double[] tolerance = [.. magnitude.Zip(kept, (sum, part) => ErrorBound.Gamma(data.Shape.Rows + 6) * (sum + Math.Abs(part)))];
            ErrorBound.AssertWithinAndSharp(result.Read(), expected, tolerance, $"layer norm parameters {data.Shape}, beta {beta}");
            result.AssertGuards();
        }
    });

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void A_row_of_equal_numbers_becomes_the_bias_and_a_bad_row_spoils_no_other(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 4, 3).Write(
            [3e7f, 3e7f, 3e7f, 1, float.NaN, 2, 1, float.PositiveInfinity, 2, 0, 0, 0]);
        VectorView<float> gain = arena.Vector<float>(3);
        VectorView<float> bias = arena.Vector<float>(3);
        stream.Upload([1f, 2f, 3f], gain);
        stream.Upload([4f, 5f, 6f], bias);
        LayerNorm.Forward(stream, x.View, gain, bias, Epsilon, x.View, arena.Matrix<float>(4, 2));
        Assert.Equal([4, 5, 6, float.NaN, float.NaN, float.NaN, float.NaN, float.NaN, float.NaN, 4, 5, 6], x.Read());
    }

    [Fact]
    public void Threads_change_no_bit()
    {
        const int Rows = 307, Columns = 401;
        float[] xs = TestData.Uniform(Rows * Columns, 1);
        float[]? first = null;
        foreach (int threads in (int[])[1, 2, 3])
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            DeviceStream stream = device.DefaultStream;
            GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, Rows, Columns).Write(xs);
            VectorView<float> gain = arena.Vector<float>(Columns);
            stream.Upload(xs.AsSpan(0, Columns), gain);
            MatrixView<float> statistics = arena.Matrix<float>(Rows, 2);
            var y = new GuardedMatrix<float>(stream, arena, Rows + 2, Columns);
            LayerNorm.Forward(stream, x.View, gain, gain, Epsilon, y.View.RowRange(0, Rows), statistics);
            LayerNorm.ParameterGradients(
                stream, x.View, statistics, y.View.RowRange(0, Rows), 0f, y.View.Row(Rows), y.View.Row(Rows + 1));
            LayerNorm.Backward(stream, x.View, statistics, gain, y.View.RowRange(0, Rows), y.View.RowRange(0, Rows));
            first ??= y.Read();
            Assert.Equal(first, y.Read());
        }
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream s = device.DefaultStream;
        GuardedMatrix<float> x = new GuardedMatrix<float>(s, arena, 4, 3).Write(TestData.Uniform(12, 1));
        var y = new GuardedMatrix<float>(s, arena, 4, 3);
        MatrixView<float> t = arena.Matrix<float>(4, 2);
        VectorView<float> gain = arena.Vector<float>(3), bias = arena.Vector<float>(3), two = arena.Vector<float>(2);
        Refusal.Of(() => LayerNorm.Forward(s, x.View, two, bias, Epsilon, y.View, t), y);
        Refusal.Of(() => LayerNorm.Forward(s, x.View, gain, two, Epsilon, y.View, t), y);
        Refusal.Of(() => LayerNorm.Forward(s, x.View, gain, bias, 0f, y.View, t), y);
        Refusal.Of(() => LayerNorm.Forward(s, x.View, gain, bias, float.NaN, y.View, t), y);
        Refusal.Of(() => LayerNorm.Forward(s, x.View, gain, bias, Epsilon, y.View.RowRange(0, 3), t), y);
        Refusal.Of(() => LayerNorm.Forward(s, x.View, gain, bias, Epsilon, y.View, t.RowRange(0, 3)), y);
        Refusal.Of(() => LayerNorm.Forward(s, x.View.RowRange(0, 3), gain, bias, Epsilon, x.View.RowRange(1, 3), t.RowRange(0, 3)), x);
        Refusal.Of(() => LayerNorm.Backward(s, x.View, t, gain, x.View.RowRange(0, 3), y.View.RowRange(0, 3)), y);
        Refusal.Of(() => LayerNorm.Backward(s, x.View, t, gain, y.View, x.View), y);
        Refusal.Of(() => LayerNorm.ParameterGradients(s, x.View, t, y.View, 0f, gain, gain), y);
        Refusal.Of(() => LayerNorm.ParameterGradients(s, x.View, t, y.View, 0f, y.View.Row(0), bias), y);
        Refusal.Of(() => LayerNorm.ParameterGradients(s, x.View, t, y.View, float.NaN, gain, bias), y);
        Refusal.OfStaleViews(arena, () => LayerNorm.Forward(s, x.View, gain, bias, Epsilon, y.View, t));
    }

    private static void ForEachShape(string key, Action<Device, Arena, Data> check)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (OpShapes.Shape shape in OpShapes.All.Where(static shape => shape.Columns > 0))
        {
            check(device, arena, new Data(device, arena, shape));
            arena.Reset();
        }
    }

    private static double[] Magnitude(Data data, double[] dy)
    {
        double[] reach = data.Reach();
        var magnitude = new double[2 * data.Columns];
        for (int i = 0; i < dy.Length; i++)
        {
            magnitude[i % data.Columns] += Math.Abs(dy[i]) * reach[i];
            magnitude[data.Columns + (i % data.Columns)] += Math.Abs(dy[i]);
        }

        return magnitude;
    }

    /// <summary>Rows of unequal mean and scale, one of them a thousand times farther from 0 than it is wide.</summary>
    private sealed class Data
    {
        public Data(Device device, Arena arena, OpShapes.Shape shape)
        {
            Shape = shape;
            float[] xs = TestData.Uniform(shape.Length, 1);
            for (int i = 0; i < xs.Length; i++)
            {
                int row = i / shape.Columns;
                xs[i] = (xs[i] * (1 + (row % 7))) + (row == 1 ? 1000 : row % 3);
            }

            float[] gain = TestData.Uniform(shape.Columns, 2);
            float[] bias = TestData.Uniform(shape.Columns, 3);
            X = shape.New(device, arena, xs);
            Gain = arena.Vector<float>(shape.Columns);
            Bias = arena.Vector<float>(shape.Columns);
            device.DefaultStream.Upload(gain, Gain);
            device.DefaultStream.Upload(bias, Bias);
            (X64, Gain64, Bias64) = (TestData.ToDouble(xs), TestData.ToDouble(gain), TestData.ToDouble(bias));
        }

        public OpShapes.Shape Shape { get; }

        public int Columns => Shape.Columns;

        public GuardedMatrix<float> X { get; }

        public VectorView<float> Gain { get; }

        public VectorView<float> Bias { get; }

        public double[] X64 { get; }

        public double[] Gain64 { get; }

        public double[] Bias64 { get; }

        public GuardedMatrix<float> Forward(Device device, Arena arena, GuardedMatrix<float> y)
        {
            var statistics = new GuardedMatrix<float>(device.DefaultStream, arena, Shape.Rows, 2, Shape.Gap, Shape.Offset);
            LayerNorm.Forward(device.DefaultStream, X.View, Gain, Bias, Epsilon, y.View, statistics.View);
            return statistics;
        }

        /// <summary><c>(|x| + |μ|)/√(σ² + ε)</c> of every element: what x̂ is made of.</summary>
        public double[] Reach()
        {
            var reach = new double[X64.Length];
            for (int row = 0; row < Shape.Rows; row++)
            {
                (double mean, double scale) = Row(row);
                for (int i = row * Columns; i < (row + 1) * Columns; i++)
                {
                    reach[i] = (Math.Abs(X64[i]) + Math.Abs(mean)) * scale;
                }
            }

            return reach;
        }

        public double[] BackwardTolerance(double[] dy)
        {
            double[] reach = Reach();
            var tolerance = new double[dy.Length];
            for (int row = 0; row < dy.Length; row += Columns)
            {
                int input = row % X64.Length;
                double scale = Row(input / Columns).Scale;
                double mean = 0, product = 0;
                for (int j = 0; j < Columns; j++)
                {
                    double h = Math.Abs(Gain64[j] * dy[row + j]);
                    mean += h / Columns;
                    product += h * reach[input + j] / Columns;
                }

                for (int j = 0; j < Columns; j++)
                {
                    double terms = Math.Abs(Gain64[j] * dy[row + j]) + mean + (reach[input + j] * product);
                    tolerance[row + j] = ErrorBound.Gamma(10) * terms * scale;
                }
            }

            return tolerance;
        }

        private (double Mean, double Scale) Row(int row) =>
            LayerNormReference.Statistics(X64.AsSpan(row * Columns, Columns), Epsilon);
    }
}
