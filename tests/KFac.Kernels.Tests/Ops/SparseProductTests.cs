using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class SparseProductTests
{
    private static readonly (int Rows, int Columns, int Entries, int Blocks)[] _sizes =
    [
        (0, 5, 0, 1), (4, 0, 0, 2), (1, 1, 1, 1), (5, 7, 0, 1), (5, 7, 11, 1), (5, 7, 11, 3), (9, 3, 100, 2), (211, 97, 1500, 1), (700, 700, 2500, 2),
    ];

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Agrees_with_float64(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        foreach ((int rows, int columns, int entries, int blocks) in _sizes)
        {
            foreach (int width in TestData.EdgeSizes)
            {
                Compare(device, arena, rows, columns, entries, blocks, width, beta: width % 2 == 0 ? 0f : 0.75f);
                arena.Reset();
            }
        }
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void Entries_of_a_row_are_added_in_their_order_and_twice_means_twice(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        SparseMatrix s = SparseMatrix.FromEntries(stream, arena, 2, 3, [1, 0, 1, 1, 1], [0, 2, 1, 2, 2]);
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 3, 1).Write([1e8f, -1e8f, 1]);
        var y = new GuardedMatrix<float>(stream, arena, 2, 1);
        SparseProduct.Run(stream, 1, s, x.View, 0, y.View);
        Assert.Equal([1, 2], y.Read());
    }

    [Fact]
    public void Threads_change_no_bit()
    {
        float[] xs = TestData.Uniform(700 * 65, 1);
        int[] from = TestData.Integers(5000, 700, 2), to = TestData.Integers(5000, 700, 3);
        float[]? first = null;
        foreach (int threads in (int[])[1, 2, 3])
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            SparseMatrix s = SparseMatrix.FromEntries(device.DefaultStream, arena, 700, 700, to, from, xs.AsSpan(0, 5000));
            GuardedMatrix<float> x = new GuardedMatrix<float>(device.DefaultStream, arena, 700, 65).Write(xs);
            var y = new GuardedMatrix<float>(device.DefaultStream, arena, 700, 65);
            SparseProduct.Run(device.DefaultStream, 1, s, x.View, 0, y.View);
            first ??= y.Read();
            Assert.Equal(first, y.Read());
        }
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_the_output_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        SparseMatrix s = SparseMatrix.FromEntries(stream, arena, 2, 3, [0, 1], [2, 0]);
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 6, 4).Write(TestData.Uniform(24, 1));
        var y = new GuardedMatrix<float>(stream, arena, 4, 4);
        Refusal.Of(() => SparseProduct.Run(stream, 1, s, x.View.RowRange(0, 5), 0, y.View), y);
        Refusal.Of(() => SparseProduct.Run(stream, 1, s, x.View, 0, y.View.RowRange(0, 2)), y);
        Refusal.Of(() => SparseProduct.Run(stream, 1, s, x.View, 0, y.View.Slice(0, 0, 4, 3)), y);
        Refusal.Of(() => SparseProduct.Run(stream, 1, s, x.View, 0, x.View.RowRange(2, 4)), x);
        Refusal.Of(() => SparseProduct.Run(stream, float.NaN, s, x.View, 0, y.View), y);
        Refusal.Of(() => SparseProduct.Run(stream, 1, s, x.View, float.NaN, y.View), y);
        Refusal.OfStaleViews(arena, () => SparseProduct.Run(stream, 1, s, x.View, 0, y.View));
    }

    [Theory]
    [InlineData(new[] { 0, 2 }, new[] { 0, 0 }, "row index of entry 1 is 2; wanted 0 to 1")]
    [InlineData(new[] { 0, 1 }, new[] { -1, 0 }, "column index of entry 0 is -1; wanted 0 to 2")]
    [InlineData(new[] { 0, 1 }, new[] { 0 }, "number of column indices is 1 and number of row indices is 2")]
    public void Refuses_entries_outside(int[] rows, int[] columns, string message)
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        Assert.Contains(
            message,
            Assert.Throws<ArgumentException>(() => SparseMatrix.FromEntries(device.DefaultStream, arena, 2, 3, rows, columns)).Message,
            StringComparison.Ordinal);
    }

    private static void Compare(Device device, Arena arena, int rows, int columns, int count, int blocks, int width, float beta)
    {
        const float Alpha = -0.5f;
        DeviceStream stream = device.DefaultStream;
        int[] to = rows == 0 ? [] : TestData.Integers(count, rows, 2);
        int[] from = columns == 0 ? [] : TestData.Integers(count, columns, 3);
        float[] values = TestData.Uniform(to.Length, 4);
        float[] xs = TestData.Uniform(blocks * columns * width, 5);
        float[] ys = TestData.Uniform(blocks * rows * width, 6);
        SparseMatrix s = SparseMatrix.FromEntries(stream, arena, rows, columns, to, from, values);
        bool packed = blocks == 1; // all rows at multiples of 16 bytes
        int toFours = (4 - (width % 4)) % 4;
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, blocks * columns, width, packed ? toFours : width % 3, 1).Write(xs);
        var y = new GuardedMatrix<float>(stream, arena, blocks * rows, width, packed ? toFours : width % 4, packed ? 1 : 0);
        if (beta != 0)
        {
            y.Write(ys);
        }

        SparseProduct.Run(stream, Alpha, s, x.View, beta, y.View);
        (int Row, int Column, double Value)[] entries = [.. to.Select((row, i) => (row, from[i], (double)values[i]))];
        double[] expected = SparseProductReference.Run(
            Alpha, rows, columns, entries, TestData.ToDouble(xs), width, beta, TestData.ToDouble(ys));
        double[] magnitude = SparseProductReference.Run(
            Math.Abs(Alpha),
            rows,
            columns,
            Array.ConvertAll(entries, static entry => entry with { Value = Math.Abs(entry.Value) }),
            Array.ConvertAll(xs, static value => Math.Abs((double)value)),
            width,
            beta,
            Array.ConvertAll(ys, static value => Math.Abs((double)value)));
        int most = to.GroupBy(static row => row).Select(static group => group.Count()).DefaultIfEmpty().Max();
        ErrorBound.AssertWithinAndSharp(
            y.Read(), expected, Array.ConvertAll(magnitude, size => ErrorBound.Gamma(most + 2) * size), $"{rows}×{columns}, {count} entries, width {width}");
        x.AssertGuards();
        y.AssertGuards();
    }
}
