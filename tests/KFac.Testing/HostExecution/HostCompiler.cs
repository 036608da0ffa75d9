using System.ComponentModel;
using System.Diagnostics;

namespace KFac.Testing.HostExecution;

/// <summary>A C++ compiler of this machine that has AddressSanitizer.</summary>
/// <param name="Command">Its name or path.</param>
/// <param name="Version">What it says of itself.</param>
/// <param name="KernelFlags">Flags for kernels that only some compilers know.</param>
internal sealed record HostCompiler(string Command, string Version, IReadOnlyList<string> KernelFlags)
{
    /// <summary>Name of the environment variable that names the compiler instead of the first that is found.</summary>
    public const string Variable = "KFAC_HOST_CXX";

    private const string SanitizeFlag = "-fsanitize=address,undefined";

    private static readonly Lazy<(HostCompiler? Compiler, string Reason)> s_found = new(Find);

    /// <summary>The compiler; null where there is none that will do.</summary>
    public static HostCompiler? Default => s_found.Value.Compiler;

    /// <summary>Why there is no compiler.</summary>
    public static string Reason => s_found.Value.Reason;

    /// <summary>Flags of every compilation.</summary>
    public static IReadOnlyList<string> CommonFlags { get; } = ["-std=c++20", "-g1", "-ffp-contract=off", "-fno-omit-frame-pointer", "-w"];

    /// <summary>Compiles a part of the harness.</summary>
    public void CompileHarness(string source, string target) => Run([.. CommonFlags, "-O2", "-c", source, "-o", target]);

    /// <summary>Compiles a file of kernels.</summary>
    public void CompileKernels(string source, string target, IEnumerable<string> includeFolders)
    {
        string stem = Path.GetFileNameWithoutExtension(source);
        Run(
        [
            .. CommonFlags, .. KernelFlags, "-O1", SanitizeFlag, "-fno-sanitize-recover=all", "-ftrivial-auto-var-init=pattern", "-DKFAC_HOST",
            $"-DKFAC_SHARED_SECTION=\".kfac_shared.{stem}\"", .. includeFolders.Select(static folder => $"-I{folder}"),
            "-x", "c++", "-c", source, "-o", target,
        ]);
    }

    public void Link(IEnumerable<string> objects, string target) => Run([SanitizeFlag, .. objects, "-o", target]);

    private static (HostCompiler? Compiler, string Reason) Find()
    {
        if (!OperatingSystem.IsLinux())
        {
            return (null, "kernels run on the host under Linux only");
        }

        string? named = Environment.GetEnvironmentVariable(Variable);
        string[] candidates = string.IsNullOrEmpty(named) ? ["g++", "clang++", "clang++-19", "clang++-14"] : [named];
        var reasons = new List<string>();
        foreach (string command in candidates)
        {
            (HostCompiler? compiler, string reason) = Probe(command);
            if (compiler is not null)
            {
                return (compiler, string.Empty);
            }

            reasons.Add($"{command}: {reason}");
        }

        return (null, $"there is no C++ compiler with AddressSanitizer ({string.Join("; ", reasons)})");
    }

    private static (HostCompiler? Compiler, string Reason) Probe(string command)
    {
        string folder = Directory.CreateTempSubdirectory("kfac-compiler").FullName;
        try
        {
            string source = Path.Combine(folder, "probe.cpp");
            File.WriteAllText(source, "int main() { return 0; }\n");
            string version = RunProcess(command, ["--version"]).Output.Split('\n')[0];
            // Arrays of shared memory stand in a section of their own; g++ watches those only when told.
            string[] flags = version.Contains("clang", StringComparison.Ordinal) ? [] : ["-fsanitize-sections=.kfac_shared*"];
            (int code, string output) = RunProcess(command, [.. flags, SanitizeFlag, source, "-o", Path.Combine(folder, "probe")]);
            return code == 0 ? (new HostCompiler(command, version, flags), string.Empty) : (null, output.Trim().Split('\n')[^1]);
        }
        catch (Win32Exception exception)
        {
            return (null, exception.NativeErrorCode == 2 ? "not found" : exception.Message);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static (int Code, string Output) RunProcess(string command, IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo(command, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + error.Result);
    }

    private void Run(IReadOnlyList<string> arguments)
    {
        (int code, string output) = RunProcess(Command, arguments);
        if (code != 0)
        {
            throw new HostExecutionException($"{Command} {string.Join(' ', arguments)}\n{output}");
        }
    }
}
