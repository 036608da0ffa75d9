using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class PoolingTests
{
    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Agrees_with_float64_over_windows_strides_and_padding(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        int checks = 0;
        foreach ((int height, int width) in ((int, int)[])[(1, 1), (3, 5), (8, 8), (7, 10)])
        {
            for (int variant = 0; variant < 4 * 3 * 2; variant++)
            {
                var shape = new ConvolutionShape
                {
                    Channels = TestData.EdgeSizes[1 + (checks % 14)],
                    Height = height,
                    Width = width,
                    KernelHeight = 1 + (variant % 4),
                    KernelWidth = 1 + ((variant + 1) % 4),
                    Stride = 1 + (variant / 4 % 3),
                    Padding = variant / 12,
                };
                bool fits = shape.KernelHeight <= height + (2 * shape.Padding) && shape.KernelWidth <= width + (2 * shape.Padding);
                if (fits && 2 * shape.Padding <= Math.Min(shape.KernelHeight, shape.KernelWidth))
                {
                    Compare(device, arena, shape, images: checks % 4, beta: checks % 3 == 0 ? 0 : 0.5f, gap: checks % 2);
                    arena.Reset();
                    checks++;
                }
            }
        }

        Assert.True(checks > 40, $"{checks}");
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void A_nan_is_the_largest_and_the_first_of_equals_counts(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        var shape = new ConvolutionShape { Channels = 1, Height = 1, Width = 6, KernelHeight = 1, KernelWidth = 3, Stride = 3 };
        MatrixView<float> x = arena.Matrix<float>(6, 1);
        stream.Upload([1f, float.NaN, 5f, 2f, 2f, 1f], x);
        var y = new GuardedMatrix<float>(stream, arena, 2, 1);
        var places = new GuardedMatrix<float>(stream, arena, 2, 1);
        Pooling.Max(stream, x, shape, y.View, places.View);
        Assert.Equal([float.NaN, 2f], y.Read());
        Assert.Equal([1f, 0f], places.Read());
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Every_channel_of_many_keeps_its_first_nan_or_largest(string key)
    {
        const int Channels = 83;
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        var shape = new ConvolutionShape { Channels = Channels, Height = 2, Width = 2, KernelHeight = 2, KernelWidth = 2, Stride = 2 };
        float[] x = [.. Enumerable.Range(0, 4 * Channels).Select(static i => (i * 7 % 5) switch { 0 => float.NaN, 1 => float.NegativeInfinity, int v => v })];
        var y = new GuardedMatrix<float>(stream, arena, 1, Channels, 0, 1);
        var places = new GuardedMatrix<float>(stream, arena, 1, Channels, 0, 1);
        Pooling.Max(stream, new GuardedMatrix<float>(stream, arena, 4, Channels, 3, 1).Write(x).View, shape, y.View, places.View);
        for (int channel = 0; channel < Channels; channel++)
        {
            float[] window = [.. Enumerable.Range(0, 4).Select(pixel => x[(pixel * Channels) + channel])];
            int first = Array.FindIndex(window, float.IsNaN);
            int place = first >= 0 ? first : Array.IndexOf(window, window.Max());
            Assert.Equal((window[place], place), (y.Read()[channel], (int)places.Read()[channel]));
        }
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream s = device.DefaultStream;
        var shape = new ConvolutionShape { Channels = 2, Height = 4, Width = 4, KernelHeight = 2, KernelWidth = 2, Stride = 2 };
        MatrixView<float> x = arena.Matrix<float>(16, 2), places = arena.Matrix<float>(4, 2);
        GuardedMatrix<float> y = new GuardedMatrix<float>(s, arena, 4, 2).Write(TestData.Uniform(8, 1));
        Refusal.Of(() => Pooling.Max(s, x, shape with { Dilation = 2 }, y.View, places), y);
        Refusal.Of(() => Pooling.Max(s, x, shape with { Groups = 2 }, y.View, places), y);
        Refusal.Of(() => Pooling.Max(s, x, shape with { Padding = 2 }, y.View, places), y);
        Refusal.Of(() => Pooling.Max(s, x.RowRange(0, 15), shape, y.View, places), y);
        Refusal.Of(() => Pooling.Max(s, x, shape, y.View, places.RowRange(0, 3)), y);
        Refusal.Of(() => Pooling.Max(s, x, shape, y.View, y.View), y);
        Refusal.Of(() => Pooling.Average(s, x, shape, y.View.RowRange(0, 3)), y);
        Refusal.Of(() => Pooling.MaxAdjoint(s, y.View, places.RowRange(0, 3), shape, 0, x), y);
        Refusal.Of(() => Pooling.AverageAdjoint(s, y.View, shape, float.NaN, x), y);
    }

    private static void Compare(Device device, Arena arena, ConvolutionShape shape, int images, float beta, int gap)
    {
        const int Seeds = 2;
        var g = new PoolingReference.Geometry(
            shape.Channels, shape.Height, shape.Width, shape.KernelHeight, shape.KernelWidth, shape.Stride, shape.Padding);
        DeviceStream stream = device.DefaultStream;
        int inputs = images * shape.Height * shape.Width, outputs = images * shape.Positions;
        float[] xs = TestData.Uniform(inputs * shape.Channels, 1);
        GuardedMatrix<float> x = New(inputs).Write(xs);
        GuardedMatrix<float> y = New(outputs), places = New(outputs), means = New(outputs);
        Pooling.Max(stream, x.View, shape, y.View, places.View);
        Pooling.Average(stream, x.View, shape, means.View);
        double[] x64 = TestData.ToDouble(xs);
        double[] magnitude = Array.ConvertAll(x64, Math.Abs);
        Assert.Equal(PoolingReference.Max(x64, images, g), TestData.ToDouble(y.Read()));
        double gamma = ErrorBound.Gamma((shape.KernelHeight * shape.KernelWidth) + 2);
        Check(means, PoolingReference.Average(x64, images, g), PoolingReference.Average(magnitude, images, g));
        y.AssertGuards();
        places.AssertGuards();

        float[] gs = TestData.Uniform(Seeds * outputs * shape.Channels, 2);
        double[] g64 = TestData.ToDouble(gs);
        double[] size = Array.ConvertAll(g64, Math.Abs);
        GuardedMatrix<float> dy = New(Seeds * outputs).Write(gs);
        (GuardedMatrix<float> dx, double[] old) = Old();
        Pooling.MaxAdjoint(stream, dy.View, places.View, shape, beta, dx.View);
        Check(dx, Sum(PoolingReference.MaxAdjoint(x64, g64, images, g), old), Sum(PoolingReference.MaxAdjoint(x64, size, images, g), Array.ConvertAll(old, Math.Abs)));
        (dx, old) = Old();
        Pooling.AverageAdjoint(stream, dy.View, shape, beta, dx.View);
        Check(
            dx,
            Sum(PoolingReference.AverageAdjoint(g64, Seeds * images, g), old),
            Sum(PoolingReference.AverageAdjoint(size, Seeds * images, g), Array.ConvertAll(old, Math.Abs)));

        GuardedMatrix<float> New(int rows) => new(stream, arena, rows, shape.Channels, gap, 1);

        (GuardedMatrix<float> Matrix, double[] Old) Old()
        {
            float[] values = TestData.Uniform(Seeds * inputs * shape.Channels, 3);
            GuardedMatrix<float> matrix = New(Seeds * inputs);
            return (beta == 0 ? matrix : matrix.Write(values), Array.ConvertAll(values, value => (double)beta * value));
        }

        void Check(GuardedMatrix<float> result, double[] expected, double[] terms)
        {
            ErrorBound.AssertWithinAndSharp(result.Read(), expected, Array.ConvertAll(terms, value => gamma * value), $"{shape}");
            result.AssertGuards();
        }

        static double[] Sum(double[] left, double[] right) => [.. right.Select((value, i) => value + (left.Length == 0 ? 0 : left[i]))];
    }
}
