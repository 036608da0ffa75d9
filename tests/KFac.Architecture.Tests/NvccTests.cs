using System.Diagnostics;
using Xunit;

namespace KFac.Architecture.Tests;

/// <summary>NVIDIA's own compiler takes every kernel as clang does, where a machine has it. <c>check-ptx.sh</c> asks its assembler
/// besides.</summary>
public sealed class NvccTests
{
    private const string Missing = "There is no nvcc: neither in PATH, nor below CUDA_HOME or /usr/local/cuda.";

    [SkippableTheory]
    [MemberData(nameof(PtxTests.Sources), MemberType = typeof(PtxTests))]
    public void Every_source_compiles(string source)
    {
        string? nvcc = Find();
        Skip.If(nvcc is null, Missing);
        string target = Path.GetTempFileName();
        try
        {
            string architecture = source.EndsWith(".sm_90a.cu", StringComparison.Ordinal) ? "compute_90a" : "compute_80";
            string path = Path.Combine(Repository.Root, "src/KFac.Kernels/Cuda/Source", source);
            (int code, string output) = Run(nvcc!, ["-std=c++20", "-fmad=false", $"-arch={architecture}", "-ptx", path, "-o", target]);
            Assert.True(code == 0, output);
        }
        finally
        {
            File.Delete(target);
        }
    }

    private static string? Find()
    {
        string name = OperatingSystem.IsWindows() ? "nvcc.exe" : "nvcc";
        IEnumerable<string> folders = (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator);
        string? home = Environment.GetEnvironmentVariable("CUDA_HOME");
        return folders
            .Append(Path.Combine(string.IsNullOrEmpty(home) ? "/usr/local/cuda" : home, "bin"))
            .Append("/usr/local/cuda/bin")
            .Where(static folder => folder.Length > 0)
            .Select(folder => Path.Combine(folder, name))
            .FirstOrDefault(File.Exists);
    }

    private static (int Code, string Output) Run(string program, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }
}
