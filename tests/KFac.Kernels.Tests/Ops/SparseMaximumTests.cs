using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class SparseMaximumTests
{
    private static readonly (int Rows, int Columns, int Entries, int Blocks)[] _sizes =
        [(0, 5, 0, 1), (4, 0, 0, 2), (1, 1, 1, 1), (5, 7, 0, 1), (5, 7, 11, 3), (9, 3, 27, 2), (211, 97, 1500, 1)];

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
                Compare(device, arena, Entries(rows, columns, entries), (rows, columns, blocks, width));
                arena.Reset();
            }
        }
    }

    [Fact]
    public void The_first_of_equal_ones_wins_and_a_NaN_is_larger_than_any_number()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        SparseMatrix s = SparseMatrix.FromEntries(stream, arena, 2, 3, [0, 0, 0], [2, 0, 1]);
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 3, 3).Write([1, float.NaN, -2, 0, 5, -1, 1, 9, -1]);
        var y = new GuardedMatrix<float>(stream, arena, 2, 3);
        var winners = new GuardedMatrix<int>(stream, arena, 2, 3);
        SparseMaximum.Forward(stream, s, x.View, y.View, winners.View);
        Assert.Equal([1, float.NaN, -1, 0, 0, 0], y.Read());
        Assert.Equal([2, 0, 2, -1, -1, -1], winners.Read());
    }

    [Fact]
    public void Refuses_bad_arguments_and_leaves_outputs_untouched()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        SparseMatrix s = SparseMatrix.FromEntries(stream, arena, 2, 3, [0, 1], [2, 0]);
        SparseMatrix t = SparseMatrix.FromEntries(stream, arena, 3, 2, [2, 0], [0, 1]);
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 3, 4).Write(TestData.Uniform(12, 1));
        var y = new GuardedMatrix<float>(stream, arena, 2, 4);
        GuardedMatrix<int> winners = new GuardedMatrix<int>(stream, arena, 2, 4).Write(new int[8]);
        Refusal.Of(() => SparseMaximum.Forward(stream, s, x.View.RowRange(0, 2), y.View, winners.View), y);
        Refusal.Of(() => SparseMaximum.Forward(stream, s, x.View, y.View, winners.View.RowRange(0, 1)), y);
        Refusal.Of(() => SparseMaximum.Forward(stream, s, x.View, x.View.RowRange(0, 2), winners.View), x);
        Refusal.Of(() => SparseMaximum.Backward(stream, t, winners.View, y.View.RowRange(0, 1), 0, x.View), x);
        Refusal.Of(() => SparseMaximum.Backward(stream, t, winners.View, y.View, float.NaN, x.View), x);
        Refusal.Of(() => SparseMaximum.Backward(stream, t, winners.View, x.View.RowRange(1, 2), 0, x.View), x);
        Refusal.OfStaleViews(arena, () => SparseMaximum.Forward(stream, s, x.View, y.View, winners.View));
    }

    [Fact]
    public void Threads_change_no_bit()
    {
        (int Row, int Column)[] entries = Entries(211, 97, 1500);
        float[] gradients = TestData.Uniform(211 * 65, 1);
        float[]? first = null;
        foreach (int threads in (int[])[1, 2, 3])
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            using var arena = new Arena(device);
            SparseMatrix t = Matrix(device.DefaultStream, arena, 97, 211, [.. entries.Select(static entry => (entry.Column, entry.Row))]);
            GuardedMatrix<float> dy = new GuardedMatrix<float>(device.DefaultStream, arena, 211, 65).Write(gradients);
            GuardedMatrix<int> winners = new GuardedMatrix<int>(device.DefaultStream, arena, 211, 65).Write(TestData.Integers(211 * 65, 97, 2));
            var dx = new GuardedMatrix<float>(device.DefaultStream, arena, 97, 65);
            SparseMaximum.Backward(device.DefaultStream, t, winners.View, dy.View, 0, dx.View);
            first ??= dx.Read();
            Assert.Equal(first, dx.Read());
        }
    }

    private static void Compare(
        Device device, Arena arena, (int Row, int Column)[] entries, (int Rows, int Columns, int Blocks, int Width) sizes)
    {
        DeviceStream stream = device.DefaultStream;
        (int rows, int columns, int blocks, int width) = sizes;
        float beta = width % 2 == 0 ? 0f : 0.75f;
        float[] xs = TestData.Uniform(columns * width, 5);
        SparseMatrix s = Matrix(stream, arena, rows, columns, entries);
        SparseMatrix t = Matrix(stream, arena, columns, rows, [.. entries.Select(static entry => (entry.Column, entry.Row))]);
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, columns, width, width % 3, 1).Write(xs);
        var y = new GuardedMatrix<float>(stream, arena, rows, width, width % 4, 0);
        var winners = new GuardedMatrix<int>(stream, arena, rows, width, width % 2, 3);
        SparseMaximum.Forward(stream, s, x.View, y.View, winners.View);
        (double[] maxima, int[] expectedWinners) = SparseMaximumReference.Forward(rows, entries, TestData.ToDouble(xs), width);
        Assert.Equal(maxima, TestData.ToDouble(y.Read()));
        Assert.Equal(expectedWinners, winners.Read());

        float[] dys = TestData.Uniform(blocks * rows * width, 6);
        float[] dxs = TestData.Uniform(blocks * columns * width, 7);
        GuardedMatrix<float> dy = new GuardedMatrix<float>(stream, arena, blocks * rows, width, width % 3, 1).Write(dys);
        var dx = new GuardedMatrix<float>(stream, arena, blocks * columns, width, width % 4, 0);
        if (beta != 0)
        {
            dx.Write(dxs);
        }

        SparseMaximum.Backward(stream, t, winners.View, dy.View, beta, dx.View);
        double[] expected = SparseMaximumReference.Backward(columns, expectedWinners, TestData.ToDouble(dys), width, beta, TestData.ToDouble(dxs));
        double[] magnitude = SparseMaximumReference.Backward(
            columns, expectedWinners, Array.ConvertAll(dys, static v => Math.Abs((double)v)), width, beta, Array.ConvertAll(dxs, static v => Math.Abs((double)v)));
        int most = entries.GroupBy(static entry => entry.Column).Select(static group => group.Count()).DefaultIfEmpty().Max();
        ErrorBound.AssertWithinAndSharp(
            dx.Read(), expected, Array.ConvertAll(magnitude, size => ErrorBound.Gamma(most + 2) * size), $"{rows}×{columns}, width {width}");
        x.AssertGuards();
        y.AssertGuards();
        winners.AssertGuards();
        dx.AssertGuards();
    }

    private static (int Row, int Column)[] Entries(int rows, int columns, int count) => rows == 0 || columns == 0
        ? []
        : [.. TestData.Integers(count, rows, 2).Zip(TestData.Integers(count, columns, 3)).Distinct()];

    private static SparseMatrix Matrix(DeviceStream stream, Arena arena, int rows, int columns, (int Row, int Column)[] entries) =>
        SparseMatrix.FromEntries(
            stream, arena, rows, columns, [.. entries.Select(static entry => entry.Row)], [.. entries.Select(static entry => entry.Column)]);
}
