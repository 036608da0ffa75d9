using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>What the CUDA device has. The conformance tests of what it lacks would be skipped, so it must lack nothing.</summary>
public sealed class CudaKernelTableTests
{
    [SkippableFact]
    public void Every_operation_has_a_kernel()
    {
        using Device device = TestDevice.Open(TestDevice.CudaHost);
        KernelTable table = device.DefaultStream.Kernels;
        IEnumerable<string> missing = typeof(KernelTable).GetProperties()
            .Where(property => property.GetMethod!.ReturnType.IsInterface && property.GetValue(table) is null)
            .Select(static property => property.Name);
        Assert.Empty(missing);
    }

    /// <summary>Shows in the list of skipped tests that no GPU took part, and why.</summary>
    [SkippableFact]
    public void A_gpu_where_there_is_one_is_tested()
    {
        DeviceInfo gpu = Device.Enumerate().First(static device => device.Name.StartsWith("cuda", StringComparison.Ordinal));
        Skip.IfNot(gpu.IsAvailable, gpu.Reason);
        Assert.Contains(TestDevice.CudaGpu, TestDevice.Keys);
    }
}
