using KFac.Kernels;
using Xunit;

namespace KFac.Testing;

/// <summary>The devices that the conformance suites run on, by a key that shows in the test's name.</summary>
/// <remarks>A key is <c>device/vectors/threads</c>, for example <c>cpu/Avx2/2</c>. The CPU's narrower instruction sets are
/// forced, so each path is tested on every machine that has the widest.</remarks>
public static class TestDevice
{
    /// <summary>Every key that can be opened here.</summary>
    public static IReadOnlyList<string> Keys { get; } = ListKeys();

    /// <summary>Theory data: one row a key.</summary>
    public static TheoryData<string> All { get; } = new(Keys);

    /// <summary>The fastest device: for tests that are about something other than kernels.</summary>
    public static Device OpenDefault() => Device.Open("cpu", new DeviceOptions { Threads = 2 });

    public static Device Open(string key)
    {
        string[] parts = key.Split('/');
        return Device.Open(
            parts[0],
            new DeviceOptions { MaxVectorWidth = Enum.Parse<VectorWidth>(parts[1]), Threads = int.Parse(parts[2]) });
    }

    private static List<string> ListKeys()
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
