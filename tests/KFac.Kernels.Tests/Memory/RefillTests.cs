using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>Segment offsets and sparse matrices that are filled anew for every batch.</summary>
public sealed class RefillTests
{
    [Fact]
    public void A_refilled_matrix_is_the_new_one()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        SparseMatrix s = SparseMatrix.FromEntries(stream, arena, 3, 3, [0, 1, 2, 2], [0, 1, 2, 0]);
        s.Refill(stream, arena, 2, 4, [1, 1], [3, 0], [2, 5]);
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 4, 1).Write([1, 10, 100, 1000]);
        var y = new GuardedMatrix<float>(stream, arena, 2, 1);
        SparseProduct.Run(stream, 1, s, x.View, 0, y.View);
        Assert.Equal([0, 2005], y.Read());
        Assert.Equal((2, 4, 2), (s.Rows, s.Columns, s.Entries));
        Assert.Throws<ArgumentException>(() => s.Refill(stream, arena, 2, 4, [2], [0]));
        SparseProduct.Run(stream, 1, s, x.View, 0, y.View);
        Assert.Equal([0, 2005], y.Read());
    }

    [Fact]
    public void Refilled_offsets_are_the_new_ones()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        SegmentOffsets offsets = SegmentOffsets.FromOffsets(stream, arena, [0, 1, 4, 4]);
        offsets.Refill(stream, arena, [0, 2, 3]);
        Assert.Equal((2, 3), (offsets.Segments, offsets.Rows));
        Assert.Equal([0, 2, 3], offsets.Host.ToArray());
        Assert.Throws<ArgumentException>(() => offsets.Refill(stream, arena, [0, 2, 1]));
        Assert.Equal([0, 2, 3], offsets.Host.ToArray());
        GuardedMatrix<float> x = new GuardedMatrix<float>(stream, arena, 3, 1).Write([1, 2, 4]);
        var y = new GuardedMatrix<float>(stream, arena, 2, 1);
        SegmentReduce.Ragged(stream, x.View, offsets, SharingScale.Sum, y.View);
        Assert.Equal([3, 4], y.Read());
    }

    [Fact]
    public void Refilling_allocates_nothing_once_sizes_have_settled()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        SparseMatrix s = SparseMatrix.FromEntries(device.DefaultStream, arena, 0, 0, [], []);
        SegmentOffsets offsets = SegmentOffsets.FromOffsets(device.DefaultStream, arena, [0]);
        for (int i = 0; i < 2; i++)
        {
            Fill(device.DefaultStream, arena, s, offsets);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        Fill(device.DefaultStream, arena, s, offsets);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void Fill(DeviceStream stream, Arena arena, SparseMatrix s, SegmentOffsets offsets)
    {
        Span<int> all = stackalloc int[40];
        all.Clear();
        for (int size = 1; size <= all.Length; size++)
        {
            arena.Reset();
            ReadOnlySpan<int> zeros = all[..size];
            s.Refill(stream, arena, size, size, zeros, zeros);
            offsets.Refill(stream, arena, zeros);
        }
    }
}
