using KFac.Kernels;
using KFac.Kernels.Cuda;
using KFac.Testing.HostExecution;
using Xunit;

namespace KFac.Testing;

/// <summary>The devices that the conformance suites run on, by a key that shows in the test's name.</summary>
/// <remarks>A key of the CPU is <c>cpu/vectors/threads</c>, for example <c>cpu/Avx2/2</c>. The narrower instruction sets are
/// forced, so each path is tested on every machine that has the widest. <c>cuda/host</c> is the CUDA device with its kernels
/// compiled for the processor; its tests are skipped where there is no C++ compiler. <c>cuda/0</c> is a real GPU, where there
/// is one.</remarks>
public static class TestDevice
{
    /// <summary>The CUDA device without a GPU.</summary>
    public const string CudaHost = "cuda/host";

    /// <summary>The first GPU, one of the keys where it can be used.</summary>
    public const string CudaGpu = "cuda/0";

    // About ten seconds of host execution.
    private const double HostMultiplyAdds = 1 << 25;

    /// <summary>Keys of the CPU: one result in all bits.</summary>
    public static IReadOnlyList<string> CpuKeys { get; } = ListCpuKeys();

    /// <summary>Keys of the CUDA device.</summary>
    public static IReadOnlyList<string> CudaKeys { get; } = [CudaHost, .. ListGpuKeys()];

    /// <summary>Every key.</summary>
    public static IReadOnlyList<string> Keys { get; } = [.. CpuKeys, .. CudaKeys];

    /// <summary>Theory data: one row a key.</summary>
    public static TheoryData<string> All { get; } = new(Keys);

    /// <summary>Theory data: one row a key of the CPU.</summary>
    public static TheoryData<string> Cpu { get; } = new(CpuKeys);

    /// <summary>Theory data: one row a key of the CUDA device.</summary>
    public static TheoryData<string> Cuda { get; } = new(CudaKeys);

    /// <summary>The fastest device: for tests that are about something other than kernels.</summary>
    public static Device OpenDefault() => Device.Open("cpu", new DeviceOptions { Threads = 2 });

    /// <summary>Opens the device of a key; skips the test where it cannot be opened.</summary>
    public static Device Open(string key)
    {
        if (key is CudaHost or CudaGpu)
        {
            return OpenCuda(key, new DeviceOptions());
        }

        string[] parts = key.Split('/');
        return Device.Open(
            parts[0],
            new DeviceOptions { MaxVectorWidth = Enum.Parse<VectorWidth>(parts[1]), Threads = int.Parse(parts[2]) });
    }

    /// <summary>Opens a key of the CUDA device; skips the test where it cannot be opened.</summary>
    public static Device OpenCuda(string key, DeviceOptions options) => key == CudaGpu ? Device.Open("cuda", options) : OpenCudaHost(options);

    /// <summary>Opens <see cref="CudaHost"/>; skips the test where there is no C++ compiler.</summary>
    public static Device OpenCudaHost(DeviceOptions options)
    {
        Skip.If(HostCompiler.Default is null, HostCompiler.Reason);
        var runtime = new HostRuntime(HostProgram.ForLibrary(), HostRuntime.Ampere, options.MemoryLimit ?? long.MaxValue);
        return new CudaDevice("cuda", runtime, options);
    }

    /// <summary>Whether a test may ask the device for a problem of so many multiply-adds: any device for any, except that host
    /// execution is spared those above 2²⁵, which it would take minutes over.</summary>
    public static bool Affords(Device device, double multiplyAdds) =>
        device is not CudaDevice { Runtime: HostRuntime } || multiplyAdds <= HostMultiplyAdds;

    private static string[] ListGpuKeys() =>
        Device.Enumerate().Any(static device => device is { Name: "cuda", IsAvailable: true }) ? [CudaGpu] : [];

    private static List<string> ListCpuKeys()
    {
        var keys = new List<string> { "cpu/Portable/2" };
        if (System.Runtime.Intrinsics.X86.Avx2.IsSupported)
        {
            keys.Add("cpu/Avx2/2");
        }

        if (System.Runtime.Intrinsics.X86.Avx512F.IsSupported)
        {
            keys.Add("cpu/Avx512/1");
            keys.Add("cpu/Avx512/2");
        }

        return keys;
    }
}
