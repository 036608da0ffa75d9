using CommunityToolkit.HighPerformance;
using KFac.Kernels.Cpu;
using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class DeviceTests
{
    [Fact]
    public void EnumerateSaysWhatCanBeOpenedAndWhyNot()
    {
        IReadOnlyList<DeviceInfo> devices = Device.Enumerate();
        Assert.Contains(devices, d => d.Name == "cpu" && d.IsAvailable && d.Description.Length > 0);
        Assert.All(devices, d => Assert.Equal(d.IsAvailable, d.Reason.Length == 0));
        foreach (DeviceInfo unavailable in devices.Where(d => !d.IsAvailable))
        {
            var refusal = Assert.Throws<DeviceUnavailableException>(() => Device.Open(unavailable.Name));
            Assert.Contains(unavailable.Reason, refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void OpenRefusesUnknownNamesAndBadOptions()
    {
        Assert.Contains("'tpu'", Assert.Throws<ArgumentException>(() => Device.Open("tpu")).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => Device.Open(null!));
        Assert.Throws<ArgumentException>(() => Device.Open("cpu", new DeviceOptions { Threads = 0 }));
        Assert.Throws<ArgumentException>(() => Device.Open("cpu", new DeviceOptions { MaxVectorWidth = (VectorWidth)9 }));
    }

    [Fact]
    public void ThreadsComeFromTheOptionsThenTheVariableThenTheProcessor()
    {
        Assert.Equal(3, CpuDevice.ThreadCount(new DeviceOptions { Threads = 3 }, "five"));
        Assert.Equal(5, CpuDevice.ThreadCount(new DeviceOptions(), "5"));
        Assert.Equal(Environment.ProcessorCount, CpuDevice.ThreadCount(new DeviceOptions(), null));
        Assert.Equal(Environment.ProcessorCount, CpuDevice.ThreadCount(new DeviceOptions(), string.Empty));
        foreach (string variable in new[] { "five", "0", "-2", "1025", "2.0", " 2", "99999999999" })
        {
            var refusal = Assert.Throws<ArgumentException>(() => CpuDevice.ThreadCount(new DeviceOptions(), variable));
            Assert.Contains($"KFAC_NUM_THREADS is '{variable}'; wanted a whole number from 1 to 1024", refusal.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void ApplicationThreadsMayShareADeviceAndUseAnotherBesideIt()
    {
        using Device shared = TestDevice.OpenDefault();
        using Device other = Device.Open("cpu", new DeviceOptions { Threads = 3 });
        float[] expected = Factor(shared);
        Parallel.For(0, 24, new ParallelOptions { MaxDegreeOfParallelism = 6 }, i =>
            Assert.Equal(expected, Factor(i % 3 == 0 ? other : shared)));

        static float[] Factor(Device device)
        {
            using var arena = new Arena(device);
            using DeviceStream stream = device.CreateStream();
            MatrixView<float> x = arena.Matrix<float>(500, 130);
            MatrixView<float> factor = arena.Matrix<float>(130, 130);
            stream.Upload(TestData.Uniform(500 * 130, 1), x);
            Gram.Reduce(stream, x, 4, SharingScale.Mean, 1, 0, factor);
            Gram.Expand(stream, x, 0.5f, 1, factor);
            var result = new float[130 * 130];
            stream.Download(factor, result);
            return result;
        }
    }

    [Fact]
    public void DescriptionNamesVectorsAndThreads()
    {
        using Device device = Device.Open("auto", new DeviceOptions { Threads = 3, MaxVectorWidth = VectorWidth.Portable });
        Assert.Contains("Portable", device.Description, StringComparison.Ordinal);
        Assert.Contains("3 threads", device.Description, StringComparison.Ordinal);
    }

    [Fact]
    public void AllocationIsAlignedAndFailsWithoutHarm()
    {
        using Device device = TestDevice.OpenDefault();
        Assert.Throws<ArgumentOutOfRangeException>(() => device.Allocate(0));
        Assert.Throws<OutOfMemoryException>(() => device.Allocate(1L << 60));
        using DeviceBuffer buffer = device.Allocate(100);
        Assert.Equal(0, buffer.Address % 64);
        Assert.Equal(100, buffer.ByteLength);
        Assert.False(buffer.IsDisposed);
        buffer.Dispose();
        buffer.Dispose();
        Assert.True(buffer.IsDisposed);
        Assert.Throws<ObjectDisposedException>(() => buffer.Address);
    }

    [Fact]
    public void CopiesMoveWholeViewsAndRefuseOtherShapes()
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> gaps = arena.Matrix<float>(3, 5).Slice(0, 1, 3, 4);
        float[] values = TestData.Uniform(12, 1);
        stream.Upload(values, gaps);
        var back = new float[12];
        stream.Download(gaps, back);
        Assert.Equal(values, back);
        Assert.Equal(values[6], stream.Read(gaps.Row(1), 2));

        stream.Upload(new ReadOnlySpan2D<float>(values, 4, 3).Slice(0, 0, 3, 2), gaps.Slice(0, 0, 3, 2));
        stream.Download(gaps, back);
        Assert.Equal([values[0], values[1], values[3], values[4], values[6], values[7]], [back[0], back[1], back[4], back[5], back[8], back[9]]);

        Assert.Throws<ArgumentException>(() => stream.Upload<float>(values.AsSpan(1), gaps));
        Assert.Throws<ArgumentException>(() => stream.Download(gaps, back.AsSpan(1)));
        Assert.Throws<ArgumentException>(() => stream.Upload<float>(values, arena.Vector<float>(11)));
        Assert.Throws<ArgumentOutOfRangeException>(() => stream.Read(gaps.Row(1), 4));
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void RecordedWorkRunsWhenItIsReplayed(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        DeviceStream stream = device.DefaultStream;
        MatrixView<float> x = arena.Matrix<float>(3, 4);
        MatrixView<float> y = arena.Matrix<float>(3, 4);
        Elementwise.Fill(stream, 1, x);
        Elementwise.Fill(stream, 0, y);
        using RecordedWork work = stream.Record(() => Elementwise.Axpby(stream, 2, x, 1, y));
        Assert.Equal(0, stream.Read(y.Row(2), 3));
        stream.Replay(work);
        Elementwise.Fill(stream, 10, x);
        stream.Replay(work);
        Assert.Equal(22, stream.Read(y.Row(2), 3));
        using DeviceStream other = device.CreateStream();
        Assert.Throws<ArgumentException>(() => other.Replay(work));
    }

    [SkippableTheory(typeof(KernelMissingException))]
    [MemberData(nameof(TestDevice.All), MemberType = typeof(TestDevice))]
    public void WorkIsTimed(string key)
    {
        using Device device = TestDevice.Open(key);
        using var arena = new Arena(device);
        MatrixView<float> x = arena.Matrix<float>(300, 400);
        double seconds = device.DefaultStream.Time(() => Elementwise.Fill(device.DefaultStream, 1, x));
        Assert.InRange(seconds, 0, 60);
        Assert.Equal(1, device.DefaultStream.Read(x.Row(299), 399));
    }

    [Fact]
    public void DevicesAreIndependent()
    {
        using Device first = TestDevice.OpenDefault();
        Device second = TestDevice.OpenDefault();
        using var here = new Arena(first);
        using var there = new Arena(second);
        MatrixView<float> x = here.Matrix<float>(300, 300);
        MatrixView<float> foreign = there.Matrix<float>(300, 300);
        var refusal = Assert.Throws<ArgumentException>(() => Elementwise.Fill(first.DefaultStream, 1, foreign));
        Assert.Contains("another device", refusal.Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => Elementwise.Copy(first.DefaultStream, foreign, x));
        second.Dispose();
        Elementwise.Fill(first.DefaultStream, 2, x);
        Assert.Equal(2, first.DefaultStream.Read(x.Row(299), 299));
    }

    [Fact]
    public void BuffersMayOutliveTheirDevice()
    {
        Device device = TestDevice.OpenDefault();
        DeviceBuffer buffer = device.Allocate(64);
        device.Dispose();
        device.Dispose();
        buffer.Dispose();
        Assert.True(buffer.IsDisposed);
    }

    [Fact]
    public void ADisposedDeviceRefusesWorkAndMemory()
    {
        Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        MatrixView<float> matrix = arena.Matrix<float>(2, 2);
        device.Dispose();

        Assert.True(device.IsDisposed);
        Assert.Throws<ObjectDisposedException>(() => Elementwise.Fill(device.DefaultStream, 1, matrix));
        Assert.Throws<ObjectDisposedException>(() => device.Allocate(64));
        device.Dispose();
    }

    [Fact]
    public void AMissingKernelIsNamedWithItsDevice()
    {
        using Device device = TestDevice.OpenDefault();
        var refusal = Assert.Throws<KernelMissingException>(
            () => Check.Kernel(device.DefaultStream, static _ => (IGemmKernel?)null, "Gemm"));
        Assert.Equal("Gemm", refusal.Operation);
        Assert.Equal("cpu", refusal.Device);
    }
}
