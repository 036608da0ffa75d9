using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public class SegmentReduceTests
{
    private static readonly int[] s_columns = [0, 1, 3, 4, 8, 15, 16, 17, 33, 67, 129];

    public static TheoryData<string, SharingScale> Cases { get; } = ListCases();

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(Cases))]
    public void Uniform_agrees_with_float64(string key, SharingScale scale)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach ((int segments, int sharing) in new[] { (0, 2), (1, 1), (2, 3), (7, 1), (5, 16), (33, 9), (1, 70) })
        {
            foreach (int columns in s_columns)
            {
                int[] offsets = SegmentReduceReference.UniformOffsets(segments, sharing);
                CheckReduce(device, arena, columns, offsets, scale, (stream, x, y) => SegmentReduce.Uniform(stream, x, sharing, scale, y));
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(Cases))]
    public void Ragged_agrees_with_float64_and_examples_without_rows_give_zero(string key, SharingScale scale)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (int[] offsets in new int[][] { [0], [0, 0], [0, 3], [0, 0, 4, 4, 5, 21, 21], [0, 130, 131, 133, 136, 136, 200] })
        {
            foreach (int columns in s_columns)
            {
                CheckReduce(device, arena, columns, offsets, scale, (stream, x, y) =>
                {
                    using var own = new Arena(device);
                    SegmentReduce.Ragged(stream, x, SegmentOffsets.FromOffsets(stream, own, offsets), scale, y);
                });
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(Cases))]
    public void Spread_agrees_with_float64(string key, SharingScale scale)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach ((int segments, int sharing) in new[] { (0, 2), (1, 1), (2, 3), (7, 1), (5, 16), (33, 9) })
        {
            foreach (int columns in s_columns)
            {
                float[] values = TestData.Uniform(segments * columns, 1);
                GuardedMatrix<float> y = Place(stream, arena, segments, columns, 1).Write(values);
                GuardedMatrix<float> x = Place(stream, arena, segments * sharing, columns, 2);
                SegmentReduce.SpreadUniform(stream, y.View, sharing, scale, x.View);
                double[] expected = SegmentReduceReference.Spread(
                    TestData.ToDouble(values), columns, SegmentReduceReference.UniformOffsets(segments, sharing), (ReferenceScale)scale);
                double[] tolerance = Array.ConvertAll(expected, value => ErrorBound.Gamma(2) * Math.Abs(value));
                ErrorBound.AssertWithinAndSharp(x.Read(), expected, tolerance, $"{segments}·{sharing}×{columns}");
                x.AssertGuards();
                arena.Reset();
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(Cases))]
    public void Ragged_spread_agrees_with_float64(string key, SharingScale scale)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        foreach (int[] offsets in new int[][] { [0], [0, 0], [0, 3], [0, 0, 4, 4, 5, 21, 21], [0, 130, 131, 133, 136, 136, 200] })
        {
            foreach (int columns in s_columns)
            {
                int segments = offsets.Length - 1;
                float[] values = TestData.Uniform(segments * columns, 1);
                GuardedMatrix<float> y = new GuardedMatrix<float>(stream, arena, segments, columns, gap: 1).Write(values);
                var x = new GuardedMatrix<float>(stream, arena, offsets[^1], columns, gap: 2, offset: 1);
                SegmentReduce.SpreadRagged(stream, y.View, SegmentOffsets.FromOffsets(stream, arena, offsets), scale, x.View);
                double[] expected = SegmentReduceReference.Spread(TestData.ToDouble(values), columns, offsets, (ReferenceScale)scale);
                double[] tolerance = Array.ConvertAll(expected, value => ErrorBound.Gamma(2) * Math.Abs(value));
                ErrorBound.AssertWithinAndSharp(x.Read(), expected, tolerance, $"{offsets[^1]}×{columns}");
                x.AssertGuards();
                arena.Reset();
            }
        }
    }

    [Fact]
    public void Any_number_of_threads_gives_the_same_bits()
    {
        float[] one = Reduced(1);
        Assert.Equal(one, Reduced(2));
        Assert.Equal(one, Reduced(3));

        static float[] Reduced(int threads)
        {
            const int Segments = 5, Sharing = 300, Columns = 211;
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            DeviceStream stream = device.DefaultStream;
            GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, Segments * Sharing, Columns)
                .Write(TestData.Uniform(Segments * Sharing * Columns, 1));
            var y = new GuardedMatrix<float>(stream, arena, Segments, Columns);
            SegmentReduce.Uniform(stream, x.View, Sharing, SharingScale.Mean, y.View);
            return y.Read();
        }
    }

    [Fact]
    public void A_nan_reaches_the_column_of_its_example_and_nothing_else()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        float[] values = TestData.Uniform(12 * 20, 1);
        values[(5 * 20) + 17] = float.NaN;
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 12, 20).Write(values);
        var y = new GuardedMatrix<float>(stream, arena, 3, 20);
        SegmentReduce.Uniform(stream, x.View, 4, SharingScale.Mean, y.View);
        Assert.Equal([37], y.Read().Select((value, index) => (value, index)).Where(pair => float.IsNaN(pair.value)).Select(pair => pair.index));
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> x = arena.Matrix<float>(6, 4);
        GuardedMatrix<float> y = new GuardedMatrix<float>(stream, arena, 3, 4).Write(TestData.Uniform(12, 1));
        float[] before = y.Read();
        SegmentOffsets offsets = SegmentOffsets.FromOffsets(stream, arena, [0, 2, 3, 5]);

        Assert.Throws<ArgumentException>(() => SegmentReduce.Uniform(stream, x, 3, SharingScale.Sum, y.View));
        Assert.Throws<ArgumentOutOfRangeException>(() => SegmentReduce.Uniform(stream, x, 0, SharingScale.Sum, y.View));
        Assert.Throws<ArgumentException>(() => SegmentReduce.Uniform(stream, x.Slice(0, 0, 6, 3), 2, SharingScale.Sum, y.View));
        Assert.Throws<ArgumentException>(() => SegmentReduce.Uniform(stream, y.View, 1, SharingScale.Sum, y.View));
        Assert.Throws<ArgumentException>(() => SegmentReduce.Ragged(stream, x, offsets, SharingScale.Sum, y.View));
        Assert.Throws<ArgumentNullException>(() => SegmentReduce.Ragged(stream, x, null!, SharingScale.Sum, y.View));
        Assert.Throws<ArgumentException>(() => SegmentReduce.SpreadUniform(stream, x, 2, SharingScale.Sum, y.View));
        Assert.Throws<ArgumentException>(() => SegmentReduce.SpreadRagged(stream, x, offsets, SharingScale.Sum, y.View));

        Assert.Equal(before, y.Read());
    }

    private static void CheckReduce(
        Device device,
        Arena arena,
        int columns,
        int[] offsets,
        SharingScale scale,
        Action<DeviceStream, MatrixView<float>, MatrixView<float>> reduce)
    {
        DeviceStream stream = device.DefaultStream;
        int segments = offsets.Length - 1;
        float[] values = TestData.Uniform(offsets[^1] * columns, 1);
        GuardedMatrix<float> x = Place(stream, arena, offsets[^1], columns, 3).Write(values);
        GuardedMatrix<float> y = Place(stream, arena, segments, columns, 1);
        reduce(stream, x.View, y.View);

        double[] x64 = TestData.ToDouble(values);
        double[] tolerance = SegmentReduceReference.Reduce(Array.ConvertAll(x64, Math.Abs), columns, offsets, (ReferenceScale)scale);
        for (int i = 0; i < tolerance.Length; i++)
        {
            int n = i / columns;
            tolerance[i] *= ErrorBound.Gamma(offsets[n + 1] - offsets[n] + 1);
        }

        double[] expected = SegmentReduceReference.Reduce(x64, columns, offsets, (ReferenceScale)scale);
        ErrorBound.AssertWithinAndSharp(y.Read(), expected, tolerance, $"{segments} segments, {columns} columns, {scale}");
        y.AssertGuards();
        arena.Reset();
    }

    /// <summary>Rows at multiples of 16 bytes where the number of columns is one of 8; elsewhere at odd places.</summary>
    private static GuardedMatrix<float> Place(DeviceStream stream, Arena arena, int rows, int columns, int gap) =>
        new(stream, arena, rows, columns, columns % 8 == 0 ? 4 : gap, columns % 8 == 0 ? 1 : 0);

    private static TheoryData<string, SharingScale> ListCases()
    {
        var cases = new TheoryData<string, SharingScale>();
        foreach (string key in TestDevice.Keys)
        {
            foreach (SharingScale scale in Enum.GetValues<SharingScale>())
            {
                cases.Add(key, scale);
            }
        }

        return cases;
    }
}
