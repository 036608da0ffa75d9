using System.Text.Json;
using Xunit;

namespace KFac.Cli.Tests;

public sealed class TuneCommandTests : IDisposable
{
    private static readonly string[] _small =
        ["tune", "mnist-mlp", "--device", "cpu", "--batch", "20", "--trials", "1", "--steps", "8", "--evaluate-every", "4", "--finalists", "1", "--repetitions", "1"];

    private readonly CommandLine _kfac = new();

    public void Dispose() => _kfac.Dispose();

    [Fact]
    public void Prints_one_object_and_writes_result_and_plot()
    {
        CommandResult result = _kfac.Run([.. _small, "--out", "@tune.json", "--plot", "@tune.svg", "--json"]);

        Assert.Equal(ExitCode.Success, result.ExitCode);
        JsonElement root = JsonDocument.Parse(result.Output).RootElement;
        Assert.Equal("validationAccuracy", root.GetProperty("metric").GetString());
        Assert.Equal(5, root.GetProperty("optimizers").GetArrayLength());
        Assert.Equal(JsonValueKind.Number, root.GetProperty("target").ValueKind);
        Assert.False(root.TryGetProperty("environment", out _));
        JsonElement written = JsonDocument.Parse(File.ReadAllText(_kfac["tune.json"])).RootElement;
        Assert.Contains("tune mnist-mlp", written.GetProperty("environment").GetProperty("command").GetString(), StringComparison.Ordinal);
        Assert.StartsWith("<svg", File.ReadAllText(_kfac["tune.svg"]), StringComparison.Ordinal);
        Assert.Contains("kfac-reduce 1/1", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("There is no workload 'mnist'", "mnist")]
    [InlineData("--trials is '0'; wanted a whole number", "mnist-mlp", "--trials", "0")]
    [InlineData("The metric is 'testLoss'", "mnist-mlp", "--metric", "testLoss")]
    [InlineData("The number of steps is 10", "mnist-mlp", "--steps", "10")]
    public void Wrong_usage_is_refused(string problem, params string[] arguments) =>
        _kfac.RunFails(ExitCode.Usage, problem, ["tune", .. arguments]);
}
