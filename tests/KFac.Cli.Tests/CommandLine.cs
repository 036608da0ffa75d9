using System.Text.Json;
using KFac.Nn;
using Xunit;

namespace KFac.Cli.Tests;

/// <summary>Runs <c>kfac</c> in process, in a directory of its own that is deleted afterwards.</summary>
internal sealed class CommandLine : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("kfac-cli-");

    /// <summary>Where a relative name lies.</summary>
    public string this[string name] => Path.Combine(_directory.FullName, name);

    public void Dispose() => _directory.Delete(recursive: true);

    /// <summary>Runs the arguments; those that start with <c>@</c> are names inside the directory.</summary>
    public CommandResult Run(params string[] arguments) => Run(CancellationToken.None, arguments);

    public CommandResult Run(CancellationToken cancellation, params string[] arguments)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        string[] resolved = [.. arguments.Select(argument => argument.StartsWith('@') ? this[argument[1..]] : argument)];
        int exitCode = new KfacApplication(output, error, cancellation).Run(resolved);
        return new CommandResult(exitCode, output.ToString(), error.ToString());
    }

    /// <summary>Runs with <c>--json</c> and <c>--threads 2</c>, and fails unless the command succeeds with one JSON object and nothing else.</summary>
    public JsonElement RunJson(params string[] arguments)
    {
        CommandResult result = Run([.. arguments, "--json", "--threads", "2"]);
        Assert.Equal(string.Empty, result.Error);
        Assert.Equal(0, result.ExitCode);
        Assert.Equal(1, result.Output.Count(static character => character == '\n'));
        return JsonDocument.Parse(result.Output).RootElement.Clone();
    }

    /// <summary>Runs, and fails unless the command fails with this code, one line that holds <paramref name="problem"/>,
    /// nothing on standard output, and every file as it was.</summary>
    public void RunFails(int exitCode, string problem, params string[] arguments)
    {
        Dictionary<string, byte[]> before = Snapshot();
        CommandResult result = Run([.. arguments, "--json"]);
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Equal(string.Empty, result.Output);
        Assert.Contains(problem, result.Error, StringComparison.Ordinal);
        Assert.StartsWith("kfac", result.Error, StringComparison.Ordinal);
        Assert.Equal(result.Error.Length - Environment.NewLine.Length, result.Error.IndexOf(Environment.NewLine, StringComparison.Ordinal));
        Dictionary<string, byte[]> after = Snapshot();
        Assert.Equal(before.Keys.Order(), after.Keys.Order());
        Assert.All(before, file => Assert.Equal(file.Value, after[file.Key]));
    }

    public void Write(string name, int[] shape, float[] values)
    {
        using FileStream stream = File.Create(this[name]);
        Npy.Write(stream, shape, values);
    }

    public void Write(string name, int[] shape, int[] values)
    {
        using FileStream stream = File.Create(this[name]);
        Npy.Write(stream, shape, values);
    }

    public NpyArray<float> Read(string name) => Npy.ReadSingle(this[name]);

    private Dictionary<string, byte[]> Snapshot() =>
        Directory.EnumerateFileSystemEntries(_directory.FullName, "*", SearchOption.AllDirectories)
            .ToDictionary(static path => path, static path => File.Exists(path) ? File.ReadAllBytes(path) : []);
}

/// <summary>What a run left behind.</summary>
internal sealed record CommandResult(int ExitCode, string Output, string Error);
