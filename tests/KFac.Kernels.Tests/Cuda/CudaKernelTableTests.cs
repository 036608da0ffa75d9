using KFac.Testing;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>What the CUDA device has. The conformance tests of what it lacks are skipped, so the list of that is kept here.</summary>
public sealed class CudaKernelTableTests
{
    /// <summary>Operations without a CUDA kernel yet; take a line out when its kernel lands.</summary>
    private static readonly string[] s_missing =
    [
        nameof(KernelTable.BatchNorm),
        nameof(KernelTable.Pooling),
    ];

    [SkippableFact]
    public void Only_the_listed_kernels_are_missing()
    {
        using Device device = TestDevice.Open(TestDevice.CudaHost);
        KernelTable table = device.DefaultStream.Kernels;
        IEnumerable<string> missing = typeof(KernelTable).GetProperties()
            .Where(property => property.GetMethod!.ReturnType.IsInterface && property.GetValue(table) is null)
            .Select(static property => property.Name);
        Assert.Equal(s_missing, missing.Order(StringComparer.Ordinal));
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
