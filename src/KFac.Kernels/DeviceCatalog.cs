using System.Globalization;
using KFac.Kernels.Cpu;
using KFac.Kernels.Cuda;

namespace KFac.Kernels;

/// <summary>The devices this build knows, and how each is opened.</summary>
internal static class DeviceCatalog
{
    private const string Cuda = "cuda";

    public static IReadOnlyList<DeviceInfo> Enumerate()
    {
        var devices = new List<DeviceInfo>
        {
            new("cpu", CpuDevice.Describe(new DeviceOptions()), IsAvailable: true, Reason: string.Empty),
        };
        int count = DriverDevices.Count(out string? problem);
        if (problem is not null)
        {
            devices.Add(new DeviceInfo(Cuda, string.Empty, IsAvailable: false, problem));
        }

        for (int ordinal = 0; ordinal < count; ordinal++)
        {
            GpuProperties properties = DriverDevices.Properties(ordinal);
            string? reason = DriverDevices.Problem(ordinal, properties);
            devices.Add(new DeviceInfo(CudaName(ordinal), properties.ToString(), reason is null, reason ?? string.Empty));
        }

        return devices;
    }

    public static Device Open(string name, DeviceOptions options)
    {
        ArgumentNullException.ThrowIfNull(name);
        options.Validate();
        if (CudaOrdinal(name) is { } ordinal)
        {
            return OpenCuda(name, ordinal, options);
        }

        return name switch
        {

            // Not a GPU as long as the CUDA device lacks operations (CudaKernels) and has not been proven on one.
            "cpu" or "auto" => new CpuDevice(options),
            _ => throw new ArgumentException($"There is no device '{name}'; wanted cpu, cuda, cuda:N or auto."),
        };
    }

    private static CudaDevice OpenCuda(string name, int ordinal, DeviceOptions options)
    {
        int count = DriverDevices.Count(out string? problem);
        problem ??= ordinal >= count ? $"the NVIDIA driver finds {count} GPU{(count == 1 ? "" : "s")}" : CudaProblem(ordinal);
        if (problem is not null)
        {
            throw new DeviceUnavailableException($"Device '{name}' cannot be used: {problem}.");
        }

        var runtime = new DriverRuntime(ordinal, options.MemoryLimit);
        try
        {
            return new CudaDevice(CudaName(ordinal), runtime, options);
        }
        catch
        {
            runtime.Dispose();
            throw;
        }
    }

    private static string? CudaProblem(int ordinal) => DriverDevices.Problem(ordinal, DriverDevices.Properties(ordinal));

    private static string CudaName(int ordinal) => ordinal == 0 ? Cuda : string.Create(CultureInfo.InvariantCulture, $"{Cuda}:{ordinal}");

    /// <summary>0 for <c>cuda</c>, N for <c>cuda:N</c>, null for any other name.</summary>
    private static int? CudaOrdinal(string name)
    {
        if (name == Cuda)
        {
            return 0;
        }

        return name.StartsWith(Cuda + ":", StringComparison.Ordinal)
            && int.TryParse(name.AsSpan(Cuda.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int ordinal)
                ? ordinal
                : null;
    }
}
