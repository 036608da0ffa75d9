using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>A device of shapes: it counts what a computation takes, by the checks and the arenas of any other, and takes nothing.</summary>
public sealed class PlanningDeviceTests : IDisposable
{
    private readonly Device _plan = Device.OpenPlan();

    public void Dispose() => _plan.Dispose();

    [Fact]
    public void Only_a_plan_says_that_it_is_one()
    {
        using Device processor = TestDevice.OpenDefault();
        Assert.True(_plan.IsPlan);
        Assert.False(processor.IsPlan);
        Assert.Equal("plan", _plan.Name);
        Assert.DoesNotContain(Device.Enumerate(), static device => device.Name == "plan");
        Assert.Throws<ArgumentException>(() => Device.Open("plan"));
    }

    [Fact]
    public void Nothing_is_allocated_however_much_is_asked_for()
    {
        using var arena = new Arena(_plan);
        long before = GC.GetAllocatedBytesForCurrentThread();
        MatrixView<float> x = arena.Matrix<float>(1 << 15, 1 << 15);
        MatrixView<float> y = arena.Matrix<float>(1 << 15, 1 << 15);
        Gemm.Run(_plan.DefaultStream, Transpose.No, Transpose.No, 1, x, y, 0, arena.Matrix<float>(1 << 15, 1 << 15));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4096);
        Assert.Equal(3L << 32, arena.BytesInUse);
    }

    [Fact]
    public void Arenas_count_the_same_bytes_as_on_the_processor()
    {
        using Device processor = TestDevice.OpenDefault();
        using var counted = new Arena(_plan);
        using var real = new Arena(processor);
        for (int round = 0; round < 3; round++)
        {
            foreach (int length in (int[])[0, 1, 15, 16, 17, 1000, 70_000, 3])
            {
                Assert.Equal(real.Vector<float>(length).Length, counted.Vector<float>(length).Length);
                Assert.Equal(real.Vector<double>(length).Length, counted.Vector<double>(length).Length);
                Assert.Equal((real.BytesInUse, real.ByteCapacity), (counted.BytesInUse, counted.ByteCapacity));
            }

            real.Reset();
            counted.Reset();
            Assert.Equal((real.BytesInUse, real.ByteCapacity), (counted.BytesInUse, counted.ByteCapacity));
        }
    }

    [Fact]
    public void Nothing_can_be_read_back()
    {
        using var arena = new Arena(_plan);
        VectorView<float> vector = arena.Vector<float>(3);
        _plan.DefaultStream.Upload<float>([1, 2, 3], vector);
        var refusal = Assert.Throws<InvalidOperationException>(() => _plan.DefaultStream.Read(vector, 1));
        Assert.Contains("no memory to read from", refusal.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => _plan.DefaultStream.Download(vector, new float[3]));
        Assert.Throws<InvalidOperationException>(() => _plan.DefaultStream.Download(vector.AsMatrix(1, 3), new float[3]));
    }

    [Fact]
    public void Wrong_shapes_other_devices_and_reset_arenas_are_refused_as_elsewhere()
    {
        using Device processor = TestDevice.OpenDefault();
        using var arena = new Arena(_plan);
        using var real = new Arena(processor);
        DeviceStream stream = _plan.DefaultStream;
        MatrixView<float> x = arena.Matrix<float>(2, 3);
        Assert.Throws<ArgumentException>(() => Gemm.Run(stream, Transpose.No, Transpose.No, 1, x, x, 0, x));
        Assert.Throws<ArgumentException>(() => Elementwise.Fill(stream, 0, real.Matrix<float>(2, 3)));
        Assert.Throws<ArgumentException>(() => stream.Upload<float>([1, 2], x));
        arena.Reset();
        Assert.ThrowsAny<Exception>(() => Elementwise.Fill(stream, 0, x));
    }

    [Fact]
    public void What_passes_do_not_need_is_missing_and_named()
    {
        using var arena = new Arena(_plan);
        MatrixView<float> matrix = arena.Matrix<float>(3, 3);
        var refusal = Assert.Throws<KernelMissingException>(
            () => Cholesky.Run(_plan.DefaultStream, matrix, 0, arena.Matrix<float>(3, 3), arena.Vector<int>(1)));
        Assert.Equal(("Cholesky", "plan"), (refusal.Operation, refusal.Device));
    }

    [Fact]
    public void Work_is_recorded_replayed_and_timed_in_no_time()
    {
        DeviceStream stream = _plan.DefaultStream;
        int runs = 0;
        Assert.Equal(0, stream.Time(() => runs++));
        using RecordedWork work = stream.Record(() => runs++);
        stream.Replay(work);
        stream.Synchronize();
        Assert.Equal(1, runs);
        Assert.False(stream.GainsByReplay);
    }

    [Fact]
    public void A_disposed_plan_refuses_work_and_memory()
    {
        Device plan = Device.OpenPlan();
        using var arena = new Arena(plan);
        MatrixView<float> matrix = arena.Matrix<float>(2, 2);
        plan.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Elementwise.Fill(plan.DefaultStream, 1, matrix));
        Assert.Throws<ObjectDisposedException>(() => plan.Allocate(64));
    }
}
