using KFac.Kernels;
using Xunit;

namespace KFac.Driver.Tests;

/// <summary>Allocation, its bounds, and the order of its end.</summary>
public sealed class MemoryTests
{
    private const int OutOfMemory = 2;

    public MemoryTests() => FakeDriver.Reset();

    [SkippableFact]
    public void Blocks_are_given_back_once_whoever_goes_first()
    {
        Device device = Device.Open("cuda");
        DeviceBuffer early = device.Allocate(100);
        DeviceBuffer late = device.Allocate(3_000_000);
        Assert.Equal(0, late.Address % 64);
        Assert.Equal(2, FakeDriver.Alive("memory"));
        early.Dispose();
        early.Dispose();
        device.Dispose();
        device.Dispose();
        Assert.Equal(1, FakeDriver.Alive("memory"));
        Assert.Equal(1, FakeDriver.Alive("pool"));
        late.Dispose();
        FakeDriver.AssertCleanEnd();
        Assert.Throws<ObjectDisposedException>(() => device.Allocate(64));
    }

    [SkippableFact]
    public void A_forgotten_block_is_given_back_by_the_collector()
    {
        using (Device device = Device.Open("cuda"))
        {
            Forget(device);
            for (int attempt = 0; attempt < 20 && !FakeDriver.Calls.Contains("cuMemFreeAsync"); attempt++)
            {
#pragma warning disable RS0030 // The collector is what is tested.
                GC.Collect();
#pragma warning restore RS0030
                GC.WaitForPendingFinalizers();
            }
        }

        FakeDriver.AssertCleanEnd();

        static void Forget(Device device) => device.Allocate(1000);
    }

    [SkippableFact]
    public void An_exhausted_gpu_is_a_typed_error_and_stays_usable()
    {
        using (Device device = Device.Open("cuda"))
        {
            DeviceBuffer most = device.Allocate(700 << 20);
            var error = Assert.Throws<DeviceOutOfMemoryException>(() => device.Allocate(400 << 20));
            Assert.Contains("cuMemAllocFromPoolAsync failed with CUDA_ERROR_OUT_OF_MEMORY (out of memory)", error.Message, StringComparison.Ordinal);
            Assert.Contains($"wanted {400 << 20} bytes, {700 << 20} are held", error.Message, StringComparison.Ordinal);
            most.Dispose();
            using DeviceBuffer next = device.Allocate(400 << 20);
        }

        FakeDriver.AssertCleanEnd();
    }

    [SkippableFact]
    public void Memory_that_is_only_waiting_to_be_free_is_waited_for()
    {
        using Device device = Device.Open("cuda");
        FakeDriver.Fail("cuMemAllocFromPoolAsync", OutOfMemory);
        using DeviceBuffer buffer = device.Allocate(64);
        Assert.Contains("cuMemPoolTrimTo", FakeDriver.Calls);
    }

    [SkippableFact]
    public void The_limit_of_the_options_holds()
    {
        using (Device device = Device.Open("cuda", new DeviceOptions { MemoryLimit = 1 << 20 }))
        {
            DeviceBuffer half = device.Allocate(512 << 10);
            var error = Assert.Throws<DeviceOutOfMemoryException>(() => device.Allocate((512 << 10) + 1));
            Assert.Contains("MemoryLimit", error.Message, StringComparison.Ordinal);
            device.Allocate(512 << 10).Dispose();
            half.Dispose();
            device.Allocate(1 << 20).Dispose();
        }

        FakeDriver.AssertCleanEnd();
        Assert.Throws<ArgumentException>(() => Device.Open("cuda", new DeviceOptions { MemoryLimit = 1000 }));
    }

    [SkippableFact]
    public void A_block_is_not_reused_before_the_work_that_reads_it_is_done()
    {
        using (Device device = Device.Open("cuda"))
        {
            using DeviceStream other = device.CreateStream();
            DeviceBuffer buffer = device.Allocate(64);
            var view = new VectorView<float>(buffer, 0, 16);
            other.Upload(new float[16], view);
            buffer.Dispose();

            // The stand-in runs the upload only now, and would note memory that is gone.
            device.Allocate(64).Dispose();
            other.Synchronize();
        }

        FakeDriver.AssertCleanEnd();
    }

    [SkippableTheory]
    [InlineData("cuDevicePrimaryCtxRetain", 0)]
    [InlineData("cuMemPoolCreate", 0)]
    [InlineData("cuStreamCreate", 0)]
    [InlineData("cuStreamCreate", 1)]
    [InlineData("cuEventCreate", 0)]
    public void Opening_that_fails_midway_releases_what_it_has(string call, int after)
    {
        FakeDriver.Fail(call, code: 1, after);
        var error = Assert.Throws<DriverException>(() => Device.Open("cuda"));
        Assert.Equal(call, error.Call);
        Assert.Equal("CUDA_ERROR_INVALID_VALUE", error.Error);
        FakeDriver.AssertCleanEnd();
    }
}
