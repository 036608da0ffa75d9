using System.Diagnostics;
using Xunit;

namespace KFac.Architecture.Tests;

/// <summary>NVIDIA's compiler and assembler, where a machine has them: in PATH, or below CUDA_HOME or /usr/local/cuda.</summary>
internal static class CudaToolkit
{
    /// <summary>Runs a tool; skips the test where there is none.</summary>
    /// <param name="tool"><c>nvcc</c> or <c>ptxas</c>.</param>
    public static (int Code, string Output) Run(string tool, params string[] arguments)
    {
        string? program = Find(tool);
        Skip.If(program is null, $"There is no {tool}: neither in PATH, nor below CUDA_HOME or /usr/local/cuda.");
        var start = new ProcessStartInfo(program!, arguments) { RedirectStandardError = true, RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }

    private static string? Find(string tool)
    {
        string name = OperatingSystem.IsWindows() ? $"{tool}.exe" : tool;
        IEnumerable<string> folders = (Environment.GetEnvironmentVariable("PATH") ?? string.Empty).Split(Path.PathSeparator);
        string? home = Environment.GetEnvironmentVariable("CUDA_HOME");
        return folders
            .Append(Path.Combine(string.IsNullOrEmpty(home) ? "/usr/local/cuda" : home, "bin"))
            .Append("/usr/local/cuda/bin")
            .Where(static folder => folder.Length > 0)
            .Select(folder => Path.Combine(folder, name))
            .FirstOrDefault(File.Exists);
    }
}
