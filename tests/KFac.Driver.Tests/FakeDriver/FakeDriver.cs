using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using KFac.Kernels.Cuda;
using Xunit;

namespace KFac.Driver.Tests;

/// <summary>The stand-in for the driver, compiled when the tests start and loaded in the place of NVIDIA's.</summary>
/// <remarks>One library is bound for the life of a process, so these tests have a process of their own and run one by one.</remarks>
internal static unsafe class FakeDriver
{
    private static readonly string? Problem = Build(out LibraryPath);
    private static readonly string LibraryPath;
    private static readonly nint Library = Problem is null ? NativeLibrary.Load(LibraryPath) : 0;

    /// <summary>Names of the calls since the reset, in order.</summary>
    public static string[] Calls =>
        Text(((delegate* unmanaged<nint>)Function("fake_calls"))()).Split(' ', StringSplitOptions.RemoveEmptyEntries);

    /// <summary>Context pushes less pops of this thread.</summary>
    public static int ContextDepth => ((delegate* unmanaged<int>)Function("fake_context_depth"))();

    /// <summary>A fresh driver of one GPU with 1 GiB; skips the test where there is no C compiler.</summary>
    public static void Reset()
    {
        Skip.If(Problem is not null, Problem);
        ((delegate* unmanaged<void>)Function("fake_reset"))();
    }

    /// <summary>What the driver shows; −1 devices make it find none when it starts.</summary>
    public static void Set(int devices = 1, int version = 12040, int capability = 9, long memory = 1 << 30) =>
        ((delegate* unmanaged<int, int, int, nint, void>)Function("fake_set"))(devices, version, capability, (nint)memory);

    /// <summary>The call fails once, after it has succeeded <paramref name="after"/> times.</summary>
    public static void Fail(string call, int code, int after = 0)
    {
        fixed (byte* name = Encoding.UTF8.GetBytes(call + '\0'))
        {
            ((delegate* unmanaged<byte*, int, int, void>)Function("fake_fail"))(name, after, code);
        }
    }

    /// <summary>Handles of a kind that exist: <c>stream</c>, <c>memory</c>, …; all without one.</summary>
    public static int Alive(string kind = "")
    {
        fixed (byte* name = Encoding.UTF8.GetBytes(kind + '\0'))
        {
            return ((delegate* unmanaged<byte*, int>)Function("fake_alive"))(name);
        }
    }

    /// <summary>Fails when a handle lives on, was released twice, was used after its release or without a current context.</summary>
    public static void AssertCleanEnd()
    {
        Assert.Equal(string.Empty, Text(((delegate* unmanaged<nint>)Function("fake_misuse"))()));
        Assert.Equal(0, Alive());
        Assert.Equal(0, ((delegate* unmanaged<int>)Function("fake_retained"))());
        Assert.Equal(0, ContextDepth);
    }

    [ModuleInitializer]
    internal static void Choose()
    {
        if (Problem is null)
        {
            Environment.SetEnvironmentVariable(DriverLibrary.PathVariable, LibraryPath);
        }
    }

    private static nint Function(string name) => NativeLibrary.GetExport(Library, name);

    private static string Text(nint text) => Marshal.PtrToStringUTF8(text)!;

    private static string? Build(out string library)
    {
        string folder = Directory.CreateTempSubdirectory("kfac-driver-").FullName;
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Directory.Delete(folder, recursive: true);
        library = Path.Combine(folder, "libcuda_fake.so");
        if (OperatingSystem.IsWindows())
        {
            return "The stand-in driver is built with a Unix C compiler.";
        }

        string source = Path.Combine(AppContext.BaseDirectory, "FakeDriver", "fake_cuda.c");
        try
        {
            using Process compiler = Process.Start("cc", ["-shared", "-fPIC", "-O1", "-fvisibility=hidden", "-o", library, source, "-lpthread"]);
            compiler.WaitForExit();
            return compiler.ExitCode == 0 ? null : throw new InvalidOperationException("The stand-in driver does not compile.");
        }
        catch (Win32Exception)
        {
            return "There is no C compiler (cc) to build the stand-in driver.";
        }
    }
}
