using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class ConvolutionTests
{
    private static readonly float[] s_betas = [0, 1, -0.5f];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Agrees_with_float64_over_kernels_strides_padding_and_dilation(string key)
    {
        (int Height, int Width)[] images = [(1, 1), (2, 5), (5, 4), (7, 9)];
        (int Height, int Width)[] kernels = [(1, 1), (2, 2), (3, 3), (5, 4), (3, 1)];
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        int checks = 0;
        foreach ((int height, int width) in images)
        {
            foreach ((int kernelHeight, int kernelWidth) in kernels)
            {
                for (int variant = 0; variant < 3 * 3 * 3; variant++)
                {
                    var shape = new ConvolutionShape
                    {
                        Channels = checks % 9 == 7 ? 32 : 1 + (checks % 5),
                        Height = height,
                        Width = width,
                        KernelHeight = kernelHeight,
                        KernelWidth = kernelWidth,
                        Stride = 1 + (variant % 3),
                        Dilation = 1 + (variant / 3 % 3),
                        Padding = variant / 9,
                    };
                    if (Fits(shape))
                    {
                        new Case(shape, checks % 9 == 8 ? 16 : 1 + (checks % 7), checks % 4, checks % 3 == 0, s_betas[checks % 3], checks % 2).Check(device, arena);
                        arena.Reset();
                        checks++;
                    }
                }
            }
        }

        Assert.True(checks > 250, $"{checks}");
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Agrees_with_float64_at_the_edges_of_tiles_blocks_and_tasks(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        var small = new ConvolutionShape { Channels = 1, Height = 3, Width = 3, KernelHeight = 3, KernelWidth = 3, Padding = 1 };
        foreach (int size in TestData.EdgeSizes.Where(static size => size > 0))
        {
            new Case(small with { Channels = size }, 5, 2, size % 2 == 0, 1, 0).Check(device, arena);
            new Case(small with { Channels = 3 }, size, 2, size % 2 == 1, 0, 1).Check(device, arena);
            new Case(small with { Channels = 2, Width = size }, 4, 1, true, 0, 1).Check(device, arena);
            new Case(small with { Channels = size, Width = 7 }, 5, 2, size % 2 == 1, 1, 0).Check(device, arena);
            new Case(small with { Channels = 2, Width = 9 }, size, 2, size % 2 == 0, 0, 0).Check(device, arena);
            new Case(small with { Channels = 16, Width = 8 }, size, 3, size % 2 == 1, 1, 0).Check(device, arena);
            new Case(small with { Channels = 3, Height = size, Width = 5 }, 32, 2, size % 2 == 0, 0.5f, 0).Check(device, arena);
            new Case(small with { Channels = 3, Height = 4, Width = size }, size % 3 == 0 ? 48 : 16, 2, size % 2 == 0, 0, size % 2).Check(device, arena);
            arena.Reset();
        }

        new Case(small with { Channels = 520, Height = 2, Width = 4 }, 44, 2, false, 0, 1).Check(device, arena);

        // Few channels to whole vectors of outputs: several chunks of lines, strides, spread kernels, and more elements than a tile has.
        new Case(small with { Channels = 3, Height = 40, Width = 50 }, 16, 3, true, 0.5f, 1).Check(device, arena);
        new Case(small with { Channels = 3, Height = 19, Width = 37, KernelHeight = 7, KernelWidth = 7, Stride = 2, Padding = 3 }, 64, 2, false, 1, 0).Check(device, arena);
        new Case(small with { Channels = 5, Height = 23, Width = 9, KernelHeight = 5, KernelWidth = 4, Padding = 6 }, 16, 2, true, 0, 0).Check(device, arena);
        new Case(small with { Channels = 4, Height = 21, Width = 33, KernelWidth = 1, Dilation = 2, Stride = 3 }, 32, 2, true, 0, 0).Check(device, arena);

        new Case(small with { Channels = 2, Height = 40, Width = 50 }, 3, 3, true, 0.5f, 1).Check(device, arena);
        new Case(small with { Channels = 31, Height = 9, Width = 23 }, 50, 2, true, 0, 1).Check(device, arena);
        new Case(small with { Channels = 3, Height = 33, Width = 31, Stride = 2 }, 7, 9, false, 1, 0).Check(device, arena);
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void A_nan_reaches_the_outputs_whose_patches_hold_it_and_no_others(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        var shape = new ConvolutionShape { Channels = 2, Height = 6, Width = 6, KernelHeight = 3, KernelWidth = 3, Padding = 1 };
        float[] values = TestData.Uniform(2 * 36 * 2, 1);
        values[((2 * 6) + 3) * 2] = float.NaN;
        MatrixView<float> x = arena.Matrix<float>(72, 2);
        stream.Upload(values, x);
        MatrixView<float> weights = arena.Matrix<float>(5, 18);
        stream.Upload(TestData.Uniform(90, 2), weights);
        var y = new GuardedMatrix<float>(stream, arena, 72, 5);
        Convolution.Forward(stream, x, shape, weights, y.View);
        float[] result = y.Read();
        for (int i = 0; i < result.Length; i++)
        {
            (int row, int column) = (i / 5 / 6, i / 5 % 6);
            Assert.Equal(row is >= 1 and <= 3 && column is >= 2 and <= 4, float.IsNaN(result[i]));
        }
    }

    [Fact]
    public void Any_number_of_threads_gives_the_same_bits()
    {
        Assert.Equal(Results(1), Results(2));
        Assert.Equal(Results(1), Results(5));

        static float[] Results(int threads)
        {
            var shape = new ConvolutionShape { Channels = 20, Height = 32, Width = 31, KernelHeight = 3, KernelWidth = 3, Padding = 1, Stride = 2 };
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            DeviceStream stream = device.DefaultStream;
            MatrixView<float> x = arena.Matrix<float>(12 * 32 * 31, 20);
            MatrixView<float> y = arena.Matrix<float>(12 * shape.Positions, 24);
            MatrixView<float> weights = arena.Matrix<float>(24, 181);
            stream.Upload(TestData.Uniform(x.Rows * 20, 1), x);
            stream.Upload(TestData.Uniform(24 * 181, 2), weights);
            Convolution.Forward(stream, x, shape, weights, y);
            var dx = new GuardedMatrix<float>(stream, arena, x.Rows, 20);
            var dw = new GuardedMatrix<float>(stream, arena, 24, 181);
            Convolution.InputGradient(stream, y, shape, weights, 0, dx.View);
            Convolution.WeightGradient(stream, x, shape, y, 0, dw.View);
            return [.. dx.Read(), .. dw.Read()];
        }
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream s = device.DefaultStream;
        var shape = new ConvolutionShape { Channels = 2, Height = 3, Width = 4, KernelHeight = 2, KernelWidth = 2 };
        MatrixView<float> x = arena.Matrix<float>(24, 2), w = arena.Matrix<float>(3, 8);
        GuardedMatrix<float> y = new GuardedMatrix<float>(s, arena, 12, 3).Write(TestData.Uniform(36, 1));
        GuardedMatrix<float> wide = new GuardedMatrix<float>(s, arena, 24, 8).Write(TestData.Uniform(192, 1));
        Refusal.Of(() => Convolution.Forward(s, x, shape with { Groups = 2 }, w, y.View), y);
        Refusal.Of(() => Convolution.Forward(s, x, shape with { KernelHeight = 4 }, w, y.View), y);
        Refusal.Of(() => Convolution.Forward(s, x.RowRange(0, 23), shape, w, y.View), y);
        Refusal.Of(() => Convolution.Forward(s, x, shape, w.Slice(0, 0, 3, 7), y.View), y);
        Refusal.Of(() => Convolution.Forward(s, x, shape, w.RowRange(0, 2), y.View), y);
        Refusal.Of(() => Convolution.Forward(s, x, shape, w, y.View.RowRange(0, 11)), y);
        Refusal.Of(() => Convolution.Forward(s, wide.View.Slice(0, 0, 24, 2), shape, w, wide.View.Slice(0, 1, 12, 3)), wide);
        Refusal.Of(() => Convolution.InputGradient(s, y.View, shape, w, float.NaN, x), y);
        Refusal.Of(() => Convolution.InputGradient(s, wide.View.Slice(0, 0, 12, 3), shape, w, 0, wide.View.Slice(0, 3, 24, 2)), wide);
        Refusal.Of(() => Convolution.WeightGradient(s, x, shape, y.View, float.NaN, wide.View.RowRange(0, 3)), wide);
        Refusal.Of(() => Convolution.WeightGradient(s, x, shape, wide.View.Slice(0, 0, 12, 3), 0, wide.View.RowRange(0, 3)), wide);
        Assert.Throws<ArgumentNullException>(() => Convolution.Forward(s, x, null!, w, y.View));
        Refusal.OfStaleViews(arena, () => Convolution.Forward(s, x, shape, w, y.View));
    }

    private static bool Fits(ConvolutionShape shape) =>
        ((shape.KernelHeight - 1) * shape.Dilation) + 1 <= shape.Height + (2 * shape.Padding)
        && ((shape.KernelWidth - 1) * shape.Dilation) + 1 <= shape.Width + (2 * shape.Padding);

    private sealed record Case(ConvolutionShape Shape, int Outputs, int Images, bool Bias, float Beta, int Gap)
    {
        private ConvolutionReference.Geometry Geometry => new(
            Shape.Channels, Shape.Height, Shape.Width, Shape.KernelHeight, Shape.KernelWidth, Shape.Stride, Shape.Padding, Shape.Dilation, Outputs, Bias);

        public void Check(Device device, Arena arena)
        {
            ConvolutionReference.Geometry g = Geometry;
            double work = (double)Images * Shape.Positions * Outputs * g.WeightColumns;
            if (!TestDevice.Affords(device, 3 * work))
            {
                return;
            }

            DeviceStream stream = device.DefaultStream;
            float[] xs = TestData.Uniform(Images * Shape.ImageElements, 1);
            float[] ws = TestData.Uniform(Outputs * g.WeightColumns, 2);
            float[] gs = TestData.Uniform(Images * Shape.Positions * Outputs, 3);
            GuardedMatrix<float> x = New(stream, arena, Images * Shape.Height * Shape.Width, Shape.Channels).Write(xs);
            GuardedMatrix<float> w = New(stream, arena, Outputs, g.WeightColumns).Write(ws);
            GuardedMatrix<float> dy = New(stream, arena, Images * Shape.Positions, Outputs).Write(gs);
            GuardedMatrix<float> y = New(stream, arena, Images * Shape.Positions, Outputs);
            Convolution.Forward(stream, x.View, Shape, w.View, y.View);
            Compare(y, 0, [], (a, b) => ConvolutionReference.Forward(a, b, Images, g), xs, ws, g.WeightColumns);

            (GuardedMatrix<float> dx, float[] oldX) = Old(stream, arena, Images * Shape.Height * Shape.Width, Shape.Channels);
            Convolution.InputGradient(stream, dy.View, Shape, w.View, Beta, dx.View);
            int terms = Shape.KernelHeight * Shape.KernelWidth * Outputs;
            Compare(dx, Beta, oldX, (a, b) => ConvolutionReference.InputGradient(a, b, Images, g), gs, ws, terms);

            (GuardedMatrix<float> dw, float[] oldW) = Old(stream, arena, Outputs, g.WeightColumns);
            Convolution.WeightGradient(stream, x.View, Shape, dy.View, Beta, dw.View);
            Compare(dw, Beta, oldW, (a, b) => ConvolutionReference.WeightGradient(a, b, Images, g), xs, gs, Images * Shape.Positions);
        }

        private GuardedMatrix<float> New(DeviceStream stream, Arena arena, int rows, int columns) => new(stream, arena, rows, columns, Gap, 1);

        private (GuardedMatrix<float> Matrix, float[] Old) Old(DeviceStream stream, Arena arena, int rows, int columns)
        {
            GuardedMatrix<float> matrix = New(stream, arena, rows, columns);
            float[] old = TestData.Uniform(rows * columns, 4);
            return (Beta == 0 ? matrix : matrix.Write(old), old);
        }

        private void Compare(
            GuardedMatrix<float> result, float beta, float[] old, Func<double[], double[], double[]> reference, float[] left, float[] right, int terms)
        {
            double[] expected = reference(TestData.ToDouble(left), TestData.ToDouble(right));
            double[] magnitude = reference(
                Array.ConvertAll(left, static value => (double)Math.Abs(value)), Array.ConvertAll(right, static value => (double)Math.Abs(value)));
            for (int i = 0; beta != 0 && i < old.Length; i++)
            {
                expected[i] += (double)beta * old[i];
                magnitude[i] += Math.Abs((double)beta * old[i]);
            }

            double[] tolerance = Array.ConvertAll(magnitude, value => ErrorBound.Gamma(terms + 4) * value);
            ErrorBound.AssertWithinAndSharp(result.Read(), expected, tolerance, $"{this}");
            result.AssertGuards();
        }
    }
}
