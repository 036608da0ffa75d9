using KFac.Kernels;
using Xunit;

namespace KFac.Driver.Tests;

/// <summary>What is said of GPUs that can, and that cannot, be used.</summary>
public sealed class CatalogTests
{
    public CatalogTests() => FakeDriver.Reset();

    [SkippableFact]
    public void Every_gpu_is_listed_with_what_it_is()
    {
        FakeDriver.Set(devices: 2);
        DeviceInfo[] devices = [.. Device.Enumerate().Skip(1)];
        Assert.Equal(["cuda", "cuda:1"], devices.Select(static device => device.Name));
        Assert.All(devices, static device => Assert.True(device.IsAvailable));
        Assert.Equal("Fake GPU 1, compute capability 9.0, 132 multiprocessors, 1.0 GiB", devices[1].Description);
        FakeDriver.AssertCleanEnd();
    }

    [SkippableTheory]
    [InlineData(-1, 12040, 9, "the NVIDIA driver finds no GPU")]
    [InlineData(0, 12040, 9, "the NVIDIA driver finds no GPU")]
    [InlineData(1, 11080, 9, "the NVIDIA driver is too old: it supports CUDA 11.8; wanted 12.0 or newer")]
    [InlineData(1, 12040, 7, "Fake GPU 0 has compute capability 7.0; wanted 8.0 or newer")]
    public void The_reason_is_given_where_none_can_be_used(int devices, int version, int capability, string reason)
    {
        FakeDriver.Set(devices, version, capability);
        DeviceInfo device = Assert.Single(Device.Enumerate(), static device => device.Name == "cuda");
        Assert.False(device.IsAvailable);
        Assert.Equal(reason, device.Reason);
        var refusal = Assert.Throws<DeviceUnavailableException>(() => Device.Open("cuda"));
        Assert.Equal($"Device 'cuda' cannot be used: {reason}.", refusal.Message);
        using Device processor = Device.Open("auto");
        Assert.Equal("cpu", processor.Name);
        FakeDriver.AssertCleanEnd();
    }

    [SkippableFact]
    public void A_driver_that_does_not_start_says_with_what_error()
    {
        FakeDriver.Fail("cuInit", code: 999);
        DeviceInfo device = Assert.Single(Device.Enumerate(), static device => device.Name == "cuda");
        Assert.Equal("the NVIDIA driver does not start: cuInit failed with error 999 (unknown to this driver)", device.Reason);
    }

    [SkippableFact]
    public void A_gpu_is_opened_by_its_number_and_not_unasked()
    {
        FakeDriver.Set(devices: 2);
        foreach ((string name, string wanted) in new[] { ("cuda", "cuda"), ("cuda:0", "cuda"), ("cuda:1", "cuda:1"), ("auto", "cpu") })
        {
            using Device device = Device.Open(name);
            Assert.Equal(wanted, device.Name);
        }

        var refusal = Assert.Throws<DeviceUnavailableException>(() => Device.Open("cuda:2"));
        Assert.Equal("Device 'cuda:2' cannot be used: the NVIDIA driver finds 2 GPUs.", refusal.Message);
        Assert.Throws<ArgumentException>(() => Device.Open("cuda:x"));
        Assert.Throws<ArgumentException>(() => Device.Open("cuda:-1"));
        FakeDriver.AssertCleanEnd();
    }

    [SkippableFact]
    public void Work_on_the_processor_asks_the_driver_nothing()
    {
        using Device device = Device.Open("cpu");
        Assert.Empty(FakeDriver.Calls);
    }
}
