using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>The GPUs that the driver shows, and why one cannot be used.</summary>
internal static unsafe class DriverDevices
{
    private const int OldestDriver = 12000;
    private const int NameBytes = 256;

    /// <summary>Number of GPUs.</summary>
    /// <param name="problem">Why there is none to use; null where there is one.</param>
    public static int Count(out string? problem)
    {
        problem = DriverLibrary.Problem;
        if (problem is not null)
        {
            return 0;
        }

        try
        {
            problem = Start(out int count);
            return problem is null ? count : 0;
        }
        catch (EntryPointNotFoundException missing)
        {
            problem = $"the NVIDIA driver is too old: {missing.Message}";
            return 0;
        }
    }

    /// <summary>Properties of a GPU.</summary>
    public static GpuProperties Properties(int ordinal)
    {
        DriverCall.Check(Driver.cuDeviceGet(out int device, ordinal));
        DriverCall.Check(Driver.cuDeviceTotalMem(out nuint memory, device));
        byte* name = stackalloc byte[NameBytes];
        DriverCall.Check(Driver.cuDeviceGetName(name, NameBytes, device));
        return new GpuProperties
        {
            Name = Marshal.PtrToStringUTF8((nint)name) ?? string.Empty,
            Major = Attribute(device, DeviceAttribute.ComputeCapabilityMajor),
            Minor = Attribute(device, DeviceAttribute.ComputeCapabilityMinor),
            Multiprocessors = Attribute(device, DeviceAttribute.Multiprocessors),
            SharedBytesPerBlock = Attribute(device, DeviceAttribute.SharedBytesPerBlockOptIn),
            TotalMemory = (long)memory,
            L2Bytes = Attribute(device, DeviceAttribute.L2CacheBytes),
        };
    }

    /// <summary>Why a GPU that the driver shows cannot be used; null where it can.</summary>
    public static string? Problem(int ordinal, GpuProperties properties)
    {
        if (properties.Major < 8)
        {
            return $"{properties.Name} has compute capability {properties.Major}.{properties.Minor}; wanted 8.0 or newer";
        }

        DriverCall.Check(Driver.cuDeviceGet(out int device, ordinal));
        return Attribute(device, DeviceAttribute.MemoryPoolsSupported) == 0 ? $"{properties.Name} has no memory pools" : null;
    }

    private static string? Start(out int count)
    {
        count = 0;
        DriverResult started = Driver.cuInit(0);
        if (started == DriverResult.NoDevice)
        {
            return "the NVIDIA driver finds no GPU";
        }

        if (started != DriverResult.Success)
        {
            return $"the NVIDIA driver does not start: {DriverCall.Failure(started, nameof(Driver.cuInit)).Message.TrimEnd('.')}";
        }

        DriverCall.Check(Driver.cuDriverGetVersion(out int version));
        if (version < OldestDriver)
        {
            return $"the NVIDIA driver is too old: it supports CUDA {Version(version)}; wanted {Version(OldestDriver)} or newer";
        }

        DriverCall.Check(Driver.cuDeviceGetCount(out count));
        return count == 0 ? "the NVIDIA driver finds no GPU" : null;
    }

    private static int Attribute(int device, DeviceAttribute attribute)
    {
        DriverCall.Check(Driver.cuDeviceGetAttribute(out int value, attribute, device));
        return value;
    }

    private static string Version(int version) => $"{version / 1000}.{version % 1000 / 10}";
}
