using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public class RowGatherTests
{
    private static readonly (int Rows, int Entries)[] s_sizes = [(0, 3), (1, 1), (7, 2), (33, 50), (257, 19), (300, 131)];
    private static readonly int[] s_columns = [0, 1, 3, 8, 16, 31, 32, 33, 64, 67, 129];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Gather_copies_rows_and_reads_zeros_where_there_is_none(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach ((int rows, int entries) in s_sizes)
        {
            foreach (int columns in s_columns)
            {
                float[] values = TestData.Uniform(entries * columns, 1);
                int[] indices = Indices(rows, entries);
                GuardedMatrix<float> table = New(device, arena, entries, columns, 1).Write(values);
                GuardedMatrix<float> y = New(device, arena, rows, columns, 2);
                RowGather.Gather(device.DefaultStream, table.View, Upload(device, arena, indices), y.View);
                double[] expected = RowGatherReference.Gather(TestData.ToDouble(values), columns, indices);
                Assert.Equal(Array.ConvertAll(expected, v => (float)v), y.Read());
                y.AssertGuards();
                arena.Reset();
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Scatter_adds_rows_and_keeps_what_beta_says(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach ((int rows, int entries) in s_sizes)
        {
            foreach (int columns in s_columns)
            {
                foreach (float beta in new[] { 0f, 1f, 0.5f })
                {
                    CheckScatter(device, arena, Indices(rows, entries), entries, columns, beta);
                }
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Scatter_adds_to_entries_that_are_far_more_frequent_than_others(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach (int frequent in new[] { 0, 77, 149 })
        {
            // Nine of ten rows go to one entry, and none at all to most.
            int[] indices = [.. Enumerable.Range(0, 400).Select(n => n % 10 == 0 ? n * 7 % 150 : frequent)];
            CheckScatter(device, arena, indices, 150, 67, 0);
            CheckScatter(device, arena, indices, 150, 130, 1);
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.Cpu), MemberType = typeof(TestDevice))]
    public void Rows_that_no_cache_keeps_arrive_like_others(string key)
    {
        const int Rows = 8200;
        const int Columns = 1025 + 15;
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> x = arena.Matrix<float>(Rows, Columns), y = arena.Matrix<float>(Rows, Columns);
        Philox.Uniform(stream, new PhiloxKey(1, 2), 0, x.AsVector());
        int[] indices = [.. Enumerable.Range(0, Rows).Select(n => (int)(n * 5077L % Rows))];
        VectorView<int> order = Upload(device, arena, indices);
        RowGather.Gather(stream, x, order, y);
        float[] values = Download(stream, x), gathered = Download(stream, y);
        RowGather.ScatterAdd(stream, y, order, 0, x);
        Assert.Equal(values, Download(stream, x));
        for (int n = 0; n < Rows; n++)
        {
            Assert.True(values.AsSpan(indices[n] * Columns, Columns).SequenceEqual(gathered.AsSpan(n * Columns, Columns)), $"row {n}");
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void An_index_without_a_row_reads_NaN_and_adds_to_nothing(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> table = new GuardedMatrix<float>(stream, arena, 2, 3).Write([1, 2, 3, 4, 5, 6]);
        GuardedMatrix<float> rows = new GuardedMatrix<float>(stream, arena, 4, 3);
        VectorView<int> indices = Upload(device, arena, [1, 2, -7, -1]);
        RowGather.Gather(stream, table.View, indices, rows.View);
        Assert.Equal([4, 5, 6, float.NaN, float.NaN, float.NaN, float.NaN, float.NaN, float.NaN, 0, 0, 0], rows.Read());
        RowGather.ScatterAdd(stream, rows.View, indices, 1, table.View);
        Assert.Equal([1, 2, 3, 8, 10, 12], table.Read());
        table.AssertGuards();
    }

    [Fact]
    public void Any_number_of_threads_gives_the_same_bits()
    {
        float[] one = Added(1);
        Assert.Equal(one, Added(2));
        Assert.Equal(one, Added(3));

        static float[] Added(int threads)
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            GuardedMatrix<float> x = New(device, arena, 1001, 130, 0).Write(TestData.Uniform(1001 * 130, 1));
            GuardedMatrix<float> table = New(device, arena, 7, 130, 0);
            RowGather.ScatterAdd(device.DefaultStream, x.View, Upload(device, arena, Indices(1001, 7)), 0, table.View);
            return table.Read();
        }
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        GuardedMatrix<float> table = new GuardedMatrix<float>(stream, arena, 5, 4).Write(TestData.Uniform(20, 1));
        GuardedMatrix<float> rows = new GuardedMatrix<float>(stream, arena, 3, 4).Write(TestData.Uniform(12, 2));
        VectorView<int> indices = Upload(device, arena, [0, 1, 2]);
        (float[] tableBefore, float[] rowsBefore) = (table.Read(), rows.Read());
        Assert.Throws<ArgumentException>(() => RowGather.Gather(stream, table.View, indices.Slice(0, 2), rows.View));
        Assert.Throws<ArgumentException>(() => RowGather.Gather(stream, table.View.Slice(0, 0, 5, 3), indices, rows.View));
        Assert.Throws<ArgumentException>(() => RowGather.Gather(stream, table.View, indices, table.View.RowRange(0, 3)));
        Assert.Throws<ArgumentException>(() => RowGather.ScatterAdd(stream, rows.View, indices, float.NaN, table.View));
        Assert.Throws<ArgumentException>(() => RowGather.ScatterAdd(stream, table.View.RowRange(1, 3), indices, 0, table.View));
        Assert.Equal(tableBefore, table.Read());
        Assert.Equal(rowsBefore, rows.Read());
    }

    private static void CheckScatter(Device device, Arena arena, int[] indices, int entries, int columns, float beta)
    {
        int rows = indices.Length;
        float[] before = TestData.Uniform(entries * columns, 1);
        float[] values = TestData.Uniform(rows * columns, 2);
        GuardedMatrix<float> x = New(device, arena, rows, columns, 1).Write(values);
        GuardedMatrix<float> table = New(device, arena, entries, columns, 3);
        if (beta != 0)
        {
            table.Write(before);
        }

        RowGather.ScatterAdd(device.DefaultStream, x.View, Upload(device, arena, indices), beta, table.View);
        double[] x64 = TestData.ToDouble(values);
        double[] t64 = TestData.ToDouble(before);
        double[] expected = RowGatherReference.ScatterAdd(x64, columns, indices, beta, t64);
        double[] tolerance = RowGatherReference.ScatterAdd(
            Array.ConvertAll(x64, Math.Abs), columns, indices, beta, Array.ConvertAll(t64, Math.Abs));
        for (int i = 0; i < tolerance.Length; i++)
        {
            tolerance[i] *= ErrorBound.Gamma(indices.Count(index => index == i / columns) + 1);
        }

        ErrorBound.AssertWithinAndSharp(table.Read(), expected, tolerance, $"{rows} rows to {entries}×{columns}, beta {beta}");
        table.AssertGuards();
        arena.Reset();
    }

    /// <summary>−1 now and then, all else evenly.</summary>
    private static int[] Indices(int rows, int entries) =>
        Array.ConvertAll(TestData.Integers(rows, entries + 1, 3), index => index - 1);

    private static GuardedMatrix<float> New(Device device, Arena arena, int rows, int columns, int gap) =>
        new(device.DefaultStream, arena, rows, columns, columns % 8 == 0 ? 4 : gap, 1);

    private static float[] Download(DeviceStream stream, MatrixView<float> x)
    {
        float[] values = new float[x.Rows * x.Columns];
        stream.Download(x.AsVector(), values);
        return values;
    }

    private static VectorView<int> Upload(Device device, Arena arena, int[] values)
    {
        VectorView<int> view = arena.Vector<int>(values.Length);
        device.DefaultStream.Upload(values, view);
        return view;
    }
}
