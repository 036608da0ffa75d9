using System.Security.Cryptography;
using System.Text;

namespace KFac.Testing.HostExecution;

/// <summary>The program that runs kernels on the host: the harness and all .cu files of a folder, compiled once.</summary>
/// <remarks>Objects and programs are kept in this project's obj folder under the hash of what they are made from. Several test
/// processes may ask at once; one builds, the others wait for its lock.</remarks>
internal static class HostProgram
{
    private const string HarnessFolder = "tests/KFac.Testing/HostExecution";
    private const string KernelFolder = "src/KFac.Kernels/Cuda/Source";
    private const string CacheFolder = "tests/KFac.Testing/obj/host-execution";

    /// <summary>The program of the library's own kernels.</summary>
    public static string ForLibrary() => Build(Path.Combine(RepositoryRoot.Path, KernelFolder));

    /// <summary>Path of the program of all kernels in <paramref name="kernelFolder"/>, built where it is not there yet.</summary>
    /// <exception cref="HostExecutionException">A source does not compile; the message has the compiler's words.</exception>
    public static string Build(string kernelFolder)
    {
        HostCompiler compiler = HostCompiler.Default ?? throw new InvalidOperationException(HostCompiler.Reason);
        string cache = Path.Combine(RepositoryRoot.Path, CacheFolder);
        Directory.CreateDirectory(cache);
        using FileStream handle = Lock(Path.Combine(cache, "lock"));

        string harness = Path.Combine(RepositoryRoot.Path, HarnessFolder);
        string library = Path.Combine(RepositoryRoot.Path, KernelFolder);
        string[] headers = [.. Files(harness, "*.h"), .. Files(library, "*.cuh")];
        var objects = new SortedDictionary<string, Action>(StringComparer.Ordinal);
        foreach (string source in Files(harness, "*.cpp"))
        {
            string target = Target(cache, source, headers, compiler);
            objects.Add(target, () => compiler.CompileHarness(source, target + ".tmp"));
        }

        foreach (string source in Files(kernelFolder, "*.cu"))
        {
            string target = Target(cache, source, headers, compiler);
            objects.Add(target, () => compiler.CompileKernels(source, target + ".tmp", [library, harness]));
        }

        Parallel.ForEach(
            objects.Where(static pair => !File.Exists(pair.Key)),
            new ParallelOptions { MaxDegreeOfParallelism = Environment.ProcessorCount },
            static pair =>
            {
                pair.Value();
                File.Move(pair.Key + ".tmp", pair.Key, overwrite: true);
            });
        return Link(compiler, cache, [.. objects.Keys]);
    }

    private static string Link(HostCompiler compiler, string cache, string[] objects)
    {
        string program = Path.Combine(cache, $"harness-{Hash(Encoding.UTF8.GetBytes(string.Join('\n', objects)))}");
        if (!File.Exists(program))
        {
            compiler.Link(objects, program + ".tmp");
            File.Move(program + ".tmp", program);
        }

        return program;
    }

    private static string[] Files(string folder, string pattern) =>
        [.. Directory.EnumerateFiles(folder, pattern).Order(StringComparer.Ordinal)];

    private static string Target(string cache, string source, string[] headers, HostCompiler compiler)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(Encoding.UTF8.GetBytes($"{compiler}{string.Join(' ', HostCompiler.CommonFlags)}{source}"));
        foreach (string file in headers.Append(source))
        {
            hash.AppendData(File.ReadAllBytes(file));
        }

        return Path.Combine(cache, $"{Path.GetFileName(source)}-{Convert.ToHexString(hash.GetHashAndReset())[..16]}.o");
    }

    private static string Hash(byte[] data) => Convert.ToHexString(SHA256.HashData(data))[..16];

    private static FileStream Lock(string path)
    {
        using var retry = new PeriodicTimer(TimeSpan.FromMilliseconds(50));
        for (; ; )
        {
            try
            {
                return new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            }
            catch (IOException)
            {
                retry.WaitForNextTickAsync().AsTask().Wait();
            }
        }
    }
}
