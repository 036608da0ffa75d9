using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class BatchNormTests
{
    private const float Epsilon = 1e-3f;
    private const int Seeds = 2;

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Agrees_with_float64_over_rows_columns_and_groups(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        int checks = 0;
        foreach (int rows in (int[])[1, 2, 63, 65, 300, 1030])
        {
            foreach (int columns in (int[])[1, 3, 16, 17, 50])
            {
                foreach (int groupRows in (int[])[rows, 64, 7])
                {
                    Compare(device, arena, rows, columns, Math.Min(rows, groupRows), gap: checks++ % 2);
                    arena.Reset();
                }
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Running_averages_take_means_over_groups_and_unbiased_variances(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        float[] xs = TestData.Uniform(40 * 3, 1);
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 40, 3).Write(xs);
        MatrixView<float> statistics = arena.Matrix<float>(10, 3);
        GuardedMatrix<float> running = new GuardedMatrix<float>(stream, arena, 2, 3).Write([1, 2, 3, 4, 5, 6]);
        BatchNorm.Statistics(stream, x.View, 8, Epsilon, statistics);
        BatchNorm.UpdateRunning(stream, statistics, 8, Epsilon, 0.25f, running.View.Row(0), running.View.Row(1));
        (double Mean, double Scale)[,] expected = BatchNormReference.Statistics(TestData.ToDouble(xs), 3, 8, Epsilon);
        float[] actual = running.Read();
        for (int column = 0; column < 3; column++)
        {
            double mean = 0, variance = 0;
            for (int group = 0; group < 5; group++)
            {
                mean += expected[group, column].Mean / 5;
                variance += ((1 / Math.Pow(expected[group, column].Scale, 2)) - Epsilon) * 8 / 7 / 5;
            }

            Assert.Equal((0.75 * (1 + column)) + (0.25 * mean), actual[column], 1e-5);
            Assert.Equal((0.75 * (4 + column)) + (0.25 * variance), actual[3 + column], 1e-5);
        }

        var fixedStatistics = new GuardedMatrix<float>(stream, arena, 2, 3);
        BatchNorm.FromRunning(stream, running.View.Row(0), running.View.Row(1), Epsilon, fixedStatistics.View);
        Assert.Equal(1 / Math.Sqrt(actual[4] + Epsilon), fixedStatistics.Read()[4], 1e-6);
        Assert.Equal(actual[1], fixedStatistics.Read()[1]);
    }

    [Fact]
    public void Threads_change_no_bit()
    {
        Assert.Equal(Results(1), Results(2));
        Assert.Equal(Results(1), Results(3));

        static float[] Results(int threads)
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            DeviceStream stream = device.DefaultStream;
            MatrixView<float> x = arena.Matrix<float>(2000, 37);
            stream.Upload(TestData.Uniform(2000 * 37, 1), x);
            MatrixView<float> statistics = arena.Matrix<float>(4, 37);
            BatchNorm.Statistics(stream, x, 1100, Epsilon, statistics);
            var y = new GuardedMatrix<float>(stream, arena, 2002, 37);
            BatchNorm.ParameterGradients(stream, x, 1100, statistics, x, 0, y.View.Row(2000), y.View.Row(2001));
            BatchNorm.Backward(stream, x, 1100, statistics, y.View.Row(2000), x, y.View.RowRange(0, 2000));
            return y.Read();
        }
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream s = device.DefaultStream;
        MatrixView<float> x = arena.Matrix<float>(6, 2), t = arena.Matrix<float>(4, 2);
        VectorView<float> gain = arena.Vector<float>(2), bias = arena.Vector<float>(2), three = arena.Vector<float>(3);
        GuardedMatrix<float> y = new GuardedMatrix<float>(s, arena, 6, 2).Write(TestData.Uniform(12, 1));
        Refusal.Of(() => BatchNorm.Statistics(s, x, 2, Epsilon, t), y);
        Refusal.Of(() => BatchNorm.Statistics(s, x, 3, 0, t), y);
        Refusal.Of(() => BatchNorm.Normalize(s, x, 3, t, three, bias, y.View), y);
        Refusal.Of(() => BatchNorm.Normalize(s, x, 3, t, gain, bias, y.View.RowRange(0, 5)), y);
        Refusal.Of(() => BatchNorm.Backward(s, x, 3, t, gain, x.RowRange(0, 5), y.View.RowRange(0, 5)), y);
        Refusal.Of(() => BatchNorm.ParameterGradients(s, x, 3, t, y.View, 0, gain, gain), y);
        Refusal.Of(() => BatchNorm.UpdateRunning(s, t, 3, Epsilon, 1.5f, gain, bias), y);
        Refusal.Of(() => BatchNorm.FromRunning(s, gain, bias, Epsilon, t), y);
    }

    private static void Compare(Device device, Arena arena, int rows, int columns, int groupRows, int gap)
    {
        DeviceStream stream = device.DefaultStream;
        float[] xs = TestData.Uniform(rows * columns, 1);
        for (int i = 0; i < xs.Length; i++)
        {
            xs[i] += i % columns % 3 == 1 ? 100 : i % columns;
        }

        float[] gains = TestData.Uniform(columns, 2), biases = TestData.Uniform(columns, 3), gs = TestData.Uniform(Seeds * rows * columns, 4);
        VectorView<float> gain = arena.Vector<float>(columns), bias = arena.Vector<float>(columns);
        stream.Upload(gains, gain);
        stream.Upload(biases, bias);
        GuardedMatrix<float> x = New(rows).Write(xs), dy = New(Seeds * rows).Write(gs);
        GuardedMatrix<float> statistics = New(2 * BatchNorm.Groups(rows, groupRows)), y = New(rows), dx = New(Seeds * rows), dp = New(2);
        BatchNorm.Statistics(stream, x.View, groupRows, Epsilon, statistics.View);
        BatchNorm.Normalize(stream, x.View, groupRows, statistics.View, gain, bias, y.View);
        BatchNorm.Backward(stream, x.View, groupRows, statistics.View, gain, dy.View, dx.View);
        BatchNorm.ParameterGradients(
            stream, x.View, groupRows, statistics.View, dy.View.RowRange(0, rows), 0, dp.View.Row(0), dp.View.Row(1));
        double[] x64 = TestData.ToDouble(xs), g64 = TestData.ToDouble(gs), gain64 = TestData.ToDouble(gains), bias64 = TestData.ToDouble(biases);

        double[] normal = BatchNormReference.Normalize(x64, columns, groupRows, Epsilon);
        (double Mean, double Scale)[,] exact = BatchNormReference.Statistics(x64, columns, groupRows, Epsilon);
        double gamma = ErrorBound.Gamma(80);
        // The relative error of σ² is that of the squared differences to the group's first row over σ² + ε.
        double[] reach = [.. x64.Select((value, i) =>
        {
            (double mean, double scale) = exact[i / columns / groupRows, i % columns];
            double origin = x64[(i / columns / groupRows * groupRows * columns) + (i % columns)];
            double spread = 2 + (Math.Abs(origin - mean) * scale);
            return ((Math.Abs(value) + Math.Abs(mean)) * scale) + (Math.Abs(normal[i]) * spread * spread) + spread;
        })];
        Check(y, BatchNormReference.Forward(x64, gain64, bias64, groupRows, Epsilon), i => (reach[i] * Math.Abs(gain64[i % columns])) + Math.Abs(bias64[i % columns]));

        double[] expected = BatchNormReference.Backward(x64, gain64, g64, groupRows, Epsilon);
        Check(dx, expected, i =>
        {
            int element = i % x64.Length;
            (_, double scale) = exact[element / columns / groupRows, element % columns];
            double largest = GroupReach(element);
            return Math.Abs(gain64[i % columns]) * scale * (1 + (largest * largest)) * 2;
        });

        double[] parameters = new double[2 * columns], terms = new double[2 * columns];
        for (int i = 0; i < x64.Length; i++)
        {
            parameters[i % columns] += g64[i] * normal[i];
            terms[i % columns] += Math.Abs(g64[i]) * reach[i];
            parameters[columns + (i % columns)] += g64[i];
            terms[columns + (i % columns)] += Math.Abs(g64[i]);
        }

        Check(dp, parameters, i => terms[i]);

        double GroupReach(int element)
        {
            int first = element / columns / groupRows * groupRows;
            return Enumerable.Range(first, Math.Min(groupRows, rows - first)).Max(row => reach[(row * columns) + (element % columns)]);
        }

        GuardedMatrix<float> New(int count) => new(stream, arena, count, columns, gap, 1);

        void Check(GuardedMatrix<float> result, double[] wanted, Func<int, double> size)
        {
            double[] tolerance = [.. wanted.Select((_, i) => gamma * size(i))];
            ErrorBound.AssertWithinAndSharp(result.Read(), wanted, tolerance, $"{rows}×{columns} in groups of {groupRows}");
            result.AssertGuards();
        }
    }
}
