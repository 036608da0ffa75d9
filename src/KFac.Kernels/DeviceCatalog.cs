using KFac.Kernels.Cpu;

namespace KFac.Kernels;

/// <summary>The devices this build knows, and how each is opened.</summary>
internal static class DeviceCatalog
{
    public static IReadOnlyList<DeviceInfo> Enumerate() =>
    [
        new DeviceInfo("cpu", CpuDevice.Describe(new DeviceOptions()), IsAvailable: true, Reason: string.Empty),
        new DeviceInfo("cuda", string.Empty, IsAvailable: false, Reason: "this build has no CUDA device yet"),
    ];

    public static Device Open(string name, DeviceOptions options)
    {
        ArgumentNullException.ThrowIfNull(name);
        options.Validate();
        return name switch
        {
            "cpu" or "auto" => new CpuDevice(options),
            "cuda" => throw new DeviceUnavailableException("Device 'cuda' cannot be used: this build has no CUDA device yet."),
            _ => throw new ArgumentException($"There is no device '{name}'; wanted cpu, cuda or auto."),
        };
    }
}
