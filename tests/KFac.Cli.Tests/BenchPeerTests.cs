using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using KFac.Kernels;
using Xunit;

namespace KFac.Cli.Tests;

/// <summary><c>--against</c>: a shell script stands in for Python, and PyTorch itself where there is one.</summary>
public sealed class BenchPeerTests : IDisposable
{
    private const string Greeting = """echo '{"name":"stand-in 1.0","warnings":[]}'""";
    private const string Ready = """echo '{"ready":true}'""";
    private const string Time = """echo '{"medianSeconds":0.5}'""";

    private static readonly string[] _quick = ["--rounds", "2", "--round-seconds", "0"];

    private readonly CommandLine _kfac = new();

    public void Dispose() => _kfac.Dispose();

    [SkippableFact]
    public void The_peer_is_asked_for_the_same_cases_in_alternating_rounds()
    {
        WriteStandIn($"echo \"$line\" >> '{_kfac["requests"]}'", Greeting, Ready, Time);
        JsonElement json = _kfac.RunJson(["bench", "inverse", "--size", "3", "--size", "4", "--against", _kfac["python"], .. _quick]);
        foreach (JsonElement result in json.GetProperty("results").EnumerateArray())
        {
            JsonElement peer = result.GetProperty("peer");
            Assert.Equal("stand-in 1.0", peer.GetProperty("name").GetString());
            Assert.Equal(0.5, peer.GetProperty("medianSeconds").GetDouble());
            Assert.Equal(0.5 / result.GetProperty("medianSeconds").GetDouble(), peer.GetProperty("ratio").GetDouble(), 1e-9);
        }

        // A round to warm up, then two that count.
        string[] perCase = ["""{"seconds":0}""", """{"seconds":0}""", """{"seconds":0}"""];
        Assert.Equal(
            ["""{"threads":2}""", """{"case":"cholesky","size":3}""", .. perCase, """{"case":"cholesky","size":4}""", .. perCase],
            File.ReadAllLines(_kfac["requests"]));
    }

    [SkippableFact]
    public void A_step_is_described_and_its_time_is_that_of_one_of_ten()
    {
        WriteStandIn($"echo \"$line\" >> '{_kfac["requests"]}'", Greeting, Ready, Time);
        JsonElement json = _kfac.RunJson(["bench", "step", "mnist-autoencoder", "--batch", "2", "--against", _kfac["python"], .. _quick]);
        Assert.Equal(
            [0.5, 0.5, 0.05],
            json.GetProperty("results").EnumerateArray().Take(3).Select(static result => result.GetProperty("peer").GetProperty("medianSeconds").GetDouble()));
        Assert.All(json.GetProperty("results").EnumerateArray().Skip(3), static result => Assert.Equal(JsonValueKind.Null, result.GetProperty("peer").ValueKind));
        JsonElement request = JsonDocument.Parse(File.ReadAllLines(_kfac["requests"])[1]).RootElement;
        Assert.Equal("[784,1000,500,250,30,250,500,1000,784]", request.GetProperty("widths").GetRawText());
        Assert.Equal("[3,7]", request.GetProperty("linearLayers").GetRawText());
        Assert.True(request.GetProperty("bias").GetBoolean());
        Assert.Equal(
            ["case", "widths", "linearLayers", "activation", "bias", "classes", "batch", "interval"],
            request.EnumerateObject().Select(static member => member.Name));
    }

    [SkippableFact]
    public void Every_form_of_the_peer_is_a_result_of_its_own()
    {
        WriteStandIn(":", Greeting, Ready, Time);
        JsonElement json = _kfac.RunJson(["bench", "factors", "--conv", "1,1,3,3,3,1,1", "--against", _kfac["python"], .. _quick]);
        Assert.Equal(
            ["expand unfold", "expand sample", "reduce unfold", "reduce box"],
            json.GetProperty("results").EnumerateArray().Select(static each =>
                $"{each.GetProperty("approximation").GetString()} {each.GetProperty("peer").GetProperty("form").GetString()}"));
    }

    [SkippableFact]
    public void A_form_that_the_peer_lacks_is_left_out()
    {
        WriteStandIn(":", """echo '{"name":"stand-in","warnings":[],"lacks":["ssyrk"]}'""", Ready, Time);
        Assert.Equal(["matmul"], Forms());
        WriteStandIn(":", Greeting, Ready, Time);
        Assert.Equal(["matmul", "ssyrk"], Forms());

        IEnumerable<string?> Forms() => _kfac
            .RunJson(["bench", "factors", "--shape", "2,3,4", "--approx", "expand", "--against", _kfac["python"], .. _quick])
            .GetProperty("results").EnumerateArray().Select(static each => each.GetProperty("peer").GetProperty("form").GetString());
    }

    [SkippableFact]
    public void What_is_unfair_to_the_peer_is_said()
    {
        WriteStandIn(":", """echo '{"name":"stand-in","warnings":["its BLAS is slow"]}'""", Ready, Time);
        CommandResult result = _kfac.Run(["bench", "inverse", "--size", "3", "--against", _kfac["python"], .. _quick]);
        JsonElement json = JsonDocument.Parse(_kfac.Run(["bench", "inverse", "--size", "3", "--threads", "1", "--json", "--against", _kfac["python"], .. _quick]).Output).RootElement;
        Assert.Equal("its BLAS is slow", Assert.Single(json.GetProperty("warnings").EnumerateArray()).GetString());
        Assert.Equal((0, $"warning: its BLAS is slow{Environment.NewLine}"), (result.ExitCode, result.Error));
        Assert.Contains("stand-in", result.Output, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData("ended: No module named torch.", "echo 'No module named torch' >&2; exit 1", Ready, Time)]
    [InlineData("ended: exit code 3.", "exit 3", Ready, Time)]
    [InlineData("answered 'hello'; wanted a JSON object with name", "echo hello", Ready, Time)]
    [InlineData("answered '[]'; wanted a JSON object with name", "echo '[]'", Ready, Time)]
    [InlineData("answered '{}'; wanted a JSON object with ready", Greeting, "echo '{}'", Time)]
    [InlineData("is not ready for cholesky 3", Greeting, "echo '{\"ready\":false}'", Time)]
    [InlineData("gave 0 as a time", Greeting, Ready, "echo '{\"medianSeconds\":0}'")]
    [InlineData("gave \"fast\" as a time", Greeting, Ready, "echo '{\"medianSeconds\":\"fast\"}'")]
    [InlineData("ended: killed.", Greeting, Ready, "echo killed >&2; exit 137")]
    public void A_peer_that_fails_ends_the_command(string problem, string greeting, string ready, string time)
    {
        WriteStandIn(":", greeting, ready, time);
        _kfac.RunFails(1, problem, ["bench", "inverse", "--size", "3", "--against", _kfac["python"], .. _quick]);
    }

    [Fact]
    public void A_missing_interpreter_is_one_clear_line() =>
        _kfac.RunFails(1, "cannot be started", ["bench", "inverse", "--size", "3", "--against", _kfac["no-python"], .. _quick]);

    [SkippableFact]
    public void Cancellation_does_not_wait_for_the_peer()
    {
        WriteStandIn(":", Greeting, "sleep 600", Time);
        using var cancellation = new CancellationTokenSource(TimeSpan.FromSeconds(4));
        long start = Stopwatch.GetTimestamp();
        CommandResult result = _kfac.Run(cancellation.Token, ["bench", "inverse", "--size", "3", "--against", _kfac["python"], .. _quick]);
        Assert.Equal((1, $"kfac bench inverse: cancelled.{Environment.NewLine}"), (result.ExitCode, result.Error));
        Assert.True(Stopwatch.GetElapsedTime(start).TotalSeconds < 300);
    }

    [SkippableTheory]
    [InlineData("factors", "--shape", "2,3,4")]
    [InlineData("factors", "--segments", "3,1,2,4")]
    [InlineData("elementwise", "--shape", "3,4")]
    [InlineData("factors", "--conv", "2,3,5,6,3,2,1")]
    [InlineData("convolution", "--shape", "2,3,5,6,4,3,2,1")]
    [InlineData("gemm", "--shape", "2,3,4", "--transpose-a")]
    [InlineData("gemm", "--shape", "2,3,4", "--transpose-b", "--stack", "2")]
    [InlineData("inverse", "--size", "5")]
    [InlineData("inverse", "--size", "5", "--kind", "eigh")]
    [InlineData("inverse", "--set", "vit")]
    [InlineData("precondition", "--size", "5", "--rows", "3")]
    public void PyTorch_does_factors_inverses_and_products(params string[] arguments)
    {
        CommandResult result = _kfac.Run(["bench", .. arguments, "--against", PythonWithTorch(), "--json", .. _quick]);
        Assert.Equal(0, result.ExitCode);
        Assert.All(
            JsonDocument.Parse(result.Output).RootElement.GetProperty("results").EnumerateArray(),
            static each => Assert.StartsWith("PyTorch ", each.GetProperty("peer").GetProperty("name").GetString(), StringComparison.Ordinal));
    }

    [SkippableTheory]
    [InlineData(0, 3, "relu", false)]
    [InlineData(1, 3, "relu", false)]
    [InlineData(2, 0, "tanh", true)]
    public void PyTorch_does_steps(int interval, int classes, string activation, bool bias)
    {
        using Device device = Device.Open("cpu", new DeviceOptions { Threads = 1 });
        using PeerProcess peer = PeerProcess.Start(PythonWithTorch(), device, MatrixPrecision.Float32, CancellationToken.None);
        using var step = new SmallStep(interval, classes, activation, bias);
        peer.Prepare(step);
        Assert.True(peer.Round(0) > 0);
    }

    private static string PythonWithTorch() =>
        ((string[])["python3", "/usr/bin/python3"]).FirstOrDefault(HasTorch) ?? throw new SkipException("No Python with PyTorch here.");

    private static bool HasTorch(string python)
    {
        try
        {
            using Process process = Process.Start(new ProcessStartInfo(python, ["-c", "import torch"]) { RedirectStandardError = true })!;
            process.StandardError.ReadToEnd();
            process.WaitForExit();
            return process.ExitCode == 0;
        }
        catch (Win32Exception)
        {
            return false;
        }
    }

    /// <summary>Writes the executable <c>python</c>: what it does at every request, and at each of the three kinds.</summary>
    private void WriteStandIn(string always, string greeting, string ready, string time)
    {
        if (OperatingSystem.IsWindows())
        {
            throw new SkipException("The stand-in is a shell script.");
        }

        string script = $"""
            #!/bin/sh
            while read -r line; do
                {always}
                case "$line" in
                    *threads*) {greeting} ;;
                    *case*) {ready} ;;
                    *) {time} ;;
                esac
            done

            """;
        File.WriteAllText(_kfac["python"], script);
        File.SetUnixFileMode(_kfac["python"], UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>Asks for a step of a network of a few units; <see cref="A_step_is_described_and_its_time_is_that_of_one_of_ten"/>
    /// shows that real ones are asked for alike.</summary>
    private sealed class SmallStep(int interval, int classes, string activation, bool bias) : BenchCase
    {
        public override string Operation => "step";

        public override string Shape => "small";

        public override JsonObject PeerRequest => new()
        {
            ["case"] = "step",
            ["widths"] = new JsonArray(5, 4, classes == 0 ? 5 : classes),
            ["linearLayers"] = new JsonArray(1),
            ["activation"] = activation,
            ["bias"] = bias,
            ["classes"] = classes,
            ["batch"] = 2,
            ["interval"] = interval,
        };

        public override void Run() => throw new NotSupportedException();

        public override void Dispose()
        {
        }
    }
}
