using System.Reflection;
using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>NVIDIA's driver library, loaded when a GPU is first asked for.</summary>
internal static class DriverLibrary
{
    /// <summary>The name under which <see cref="Driver"/> imports it.</summary>
    public const string ImportName = "cuda-driver";

    /// <summary>Environment variable that gives another library in its place: a driver outside the search path, or a stand-in.</summary>
    public const string PathVariable = "KFAC_CUDA_DRIVER";

    private static readonly string Path = ChoosePath();
    private static readonly nint Handle = Load();

    /// <summary>Why the library cannot be used; null when it is loaded.</summary>
    public static string? Problem => Handle == 0 ? $"there is no NVIDIA driver: {Path} cannot be loaded" : null;

    private static string ChoosePath()
    {
        string? path = Environment.GetEnvironmentVariable(PathVariable);
        return !string.IsNullOrEmpty(path) ? path : OperatingSystem.IsWindows() ? "nvcuda.dll" : "libcuda.so.1";
    }

    private static nint Load()
    {
        if (!NativeLibrary.TryLoad(Path, out nint handle))
        {
            return 0;
        }

        NativeLibrary.SetDllImportResolver(
            Assembly.GetExecutingAssembly(), (name, _, _) => name == ImportName ? handle : 0);
        return handle;
    }
}
