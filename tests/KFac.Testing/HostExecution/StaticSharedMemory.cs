using System.Collections.Concurrent;
using System.Text.RegularExpressions;
using KFac.Kernels.Cuda;

namespace KFac.Testing.HostExecution;

/// <summary>What a kernel takes of shared memory beside what a launch gives it: the arrays that its PTX declares. The host cannot say, since
/// there a source's kernels have theirs side by side.</summary>
internal static partial class StaticSharedMemory
{
    private static readonly ConcurrentDictionary<string, string> s_images = new();

    /// <summary>Bytes of a kernel; 0 of one that the library does not have.</summary>
    /// <param name="module">As <see cref="HostRuntime.Module"/> gives it.</param>
    public static int Bytes(string module, string kernel)
    {
        string ptx = s_images.GetOrAdd(module, Read);
        int start = ptx.IndexOf($".entry {kernel}(", StringComparison.Ordinal);
        if (start < 0)
        {
            return 0;
        }

        int end = ptx.IndexOf("\n}", start, StringComparison.Ordinal);
        return Declared().Matches(ptx)
            .Where(array => ptx.IndexOf(array.Groups[1].Value, start, end - start, StringComparison.Ordinal) >= 0)
            .Sum(static array => int.Parse(array.Groups[2].Value));
    }

    private static string Read(string module)
    {
        string name = module.EndsWith(".sm_90a", StringComparison.Ordinal) ? module : $"{module}.sm_80";
        using Stream? stream = typeof(CudaDevice).Assembly.GetManifestResourceStream($"ptx/{name}.ptx");
        return stream is null ? string.Empty : new StreamReader(stream).ReadToEnd();
    }

    [GeneratedRegex(@"^\s*\.shared \.align \d+ \.b8 (\S+)\[(\d+)\];", RegexOptions.Multiline)]
    private static partial Regex Declared();
}
