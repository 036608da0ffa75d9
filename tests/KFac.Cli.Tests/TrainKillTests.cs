using System.Diagnostics;
using System.Text.Json;
using KFac.Nn;
using Xunit;

namespace KFac.Cli.Tests;

/// <summary>Kills the real program without warning and lets it go on.</summary>
public sealed class TrainKillTests : IDisposable
{
    private static readonly TimeSpan _patience = TimeSpan.FromMinutes(2);

    private readonly CommandLine _cli = new();

    public void Dispose() => _cli.Dispose();

    [SkippableFact]
    public void A_killed_run_goes_on_bit_for_bit()
    {
        string[] arguments = ["train", "mnist-mlp", "--hidden", "16", "--batch", "20", "--evaluate-every", "25", "--checkpoint-every", "1", "--threads", "1"];
        string[] killed = [.. arguments, "--checkpoint", _cli["run"], "--log", _cli["killed.jsonl"], "--resume"];

        // Would run for a long time; dies in the middle of writing one checkpoint after another.
        KillAfterLines(4, [.. killed, "--steps", "1000000"]);
        KillAfterLines(2, [.. killed, "--steps", "1000000"]);
        Assert.True(File.Exists(Path.Combine(_cli["run"], CheckpointStore.FileName)));
        long died = JsonDocument.Parse(File.ReadLines(_cli["killed.jsonl"]).Last()).RootElement.GetProperty("step").GetInt64();

        // Past whatever it reached; the straight run is the reference.
        string steps = $"{died + 110}";
        CommandResult resumed = _cli.Run([.. killed, "--steps", steps, "--json"]);
        Assert.Equal(0, resumed.ExitCode);
        CommandResult straight = _cli.Run([.. arguments, "--log", _cli["straight.jsonl"], "--steps", steps, "--json"]);
        Assert.Equal(File.ReadAllText(_cli["straight.jsonl"]), File.ReadAllText(_cli["killed.jsonl"]));
        Assert.Equal(MetricsOf(straight), MetricsOf(resumed));
    }

    private static string MetricsOf(CommandResult result) =>
        JsonDocument.Parse(result.Output).RootElement.GetProperty("metrics").GetRawText();

    /// <summary>Starts the program and kills it once it has printed as many lines of progress.</summary>
    private static void KillAfterLines(int lines, string[] arguments)
    {
        string program = Path.Combine(AppContext.BaseDirectory, "kfac.dll");
        string? host = Environment.ProcessPath;
        Skip.IfNot(
            File.Exists(program) && Path.GetFileNameWithoutExtension(host) == "dotnet", "The tests do not run under the dotnet host, so kfac.dll cannot be started.");
        using Process process = Process.Start(new ProcessStartInfo(host!, [program, .. arguments]) { RedirectStandardError = true })!;
        try
        {
            var reading = Task.Run(() =>
            {
                for (int line = 0; line < lines; line++)
                {
                    Assert.NotNull(process.StandardError.ReadLine());
                }
            });
            Assert.True(reading.Wait(_patience), $"kfac printed fewer than {lines} lines in {_patience.TotalSeconds} s.");
        }
        finally
        {
            process.Kill();
            process.WaitForExit();
        }
    }
}
