using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class ArenaTests
{
    [Fact]
    public unsafe void ViewsAreAlignedAndApart()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        var ends = new List<(nint Start, nint End)>();
        foreach (int length in new[] { 1, 0, 3, 16, 17, 50_000, 5, 200_000 })
        {
            VectorView<float> view = arena.Vector<float>(length);
            nint start = (nint)view.Pointer;
            Assert.Equal(0, start % 64);
            Assert.DoesNotContain(ends, other => start < other.End && other.Start < start + (4 * length));
            ends.Add((start, start + (4 * length)));
        }

        Assert.InRange(arena.BytesInUse, 4 * 250_042, arena.ByteCapacity);
    }

    [Fact]
    public void TheSameStepAgainAllocatesNothing()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        Step(arena);
        arena.Reset();
        long capacity = arena.ByteCapacity;
        Step(arena);
        arena.Reset();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++)
        {
            Step(arena);
            arena.Reset();
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
        Assert.Equal(capacity, arena.ByteCapacity);
        Assert.Equal(0, arena.BytesInUse);
    }

    [Theory]
    [InlineData(10)]
    [InlineData(500_000)]
    public void ResetInvalidatesViewsWhetherSlabsMergeOrNot(int length)
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        VectorView<float> first = arena.Vector<float>(10);
        arena.Vector<float>(length);
        arena.Reset();
        VectorView<float> second = arena.Vector<float>(10);
        Assert.ThrowsAny<InvalidOperationException>(() => device.DefaultStream.Read(first));
        device.DefaultStream.Upload(new float[10], second);
    }

    [Fact]
    public void DisposeEndsEverything()
    {
        using Device device = TestDevice.OpenDefault();
        var arena = new Arena(device);
        VectorView<float> view = arena.Vector<float>(3);
        arena.Dispose();
        arena.Dispose();
        Assert.Throws<ObjectDisposedException>(() => device.DefaultStream.Read(view));
        Assert.Throws<ObjectDisposedException>(() => arena.Vector<float>(3));
        Assert.Throws<ObjectDisposedException>(arena.Reset);
    }

    [Fact]
    public void RefusesNegativeSizesAndSurvivesRunningOut()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        Assert.Throws<ArgumentOutOfRangeException>(() => arena.Vector<float>(-1));
        Assert.Throws<ArgumentOutOfRangeException>(() => arena.Matrix<float>(2, -1));
        string message = Assert.Throws<ArgumentException>(() => arena.Matrix<float>(1 << 20, 1 << 20)).Message;
        Assert.Equal("A matrix of 1048576×1048576 has more than 2147483647 elements; split the batch.", message);
        Assert.Throws<OutOfMemoryException>(() => arena.Vector<Huge>(int.MaxValue));
        Assert.Equal(0, arena.BytesInUse);
        device.DefaultStream.Upload([1f], arena.Vector<float>(1));
    }

    [Fact]
    public void DefaultViewsAreEmpty()
    {
        using Device device = TestDevice.OpenDefault();
        Assert.True(default(VectorView<float>).IsEmpty);
        Assert.True(default(MatrixView<float>).IsEmpty);
        Elementwise.Copy(device.DefaultStream, default, default);
        device.DefaultStream.Download(default(MatrixView<float>), []);
    }

    private static void Step(Arena arena)
    {
        for (int i = 1; i < 40; i++)
        {
            arena.Matrix<float>(i, 1000);
            arena.Vector<int>(i);
        }
    }

    [System.Runtime.CompilerServices.InlineArray(1 << 18)]
    private struct Huge
    {
        private long _first;
    }
}
