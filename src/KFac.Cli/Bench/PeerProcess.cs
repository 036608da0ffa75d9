using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>A Python interpreter that does the same work with PyTorch, one timed round at a time; see <c>peer.py</c>.</summary>
/// <remarks>One process serves all cases. It computes on the same device, with as many threads as that has, and is killed on cancellation.</remarks>
internal sealed class PeerProcess : IDisposable
{
    private const string Script = "KFac.Cli.Bench.peer.py";

    private readonly string _python;
    private readonly Process _process;
    private readonly CancellationToken _cancellation;
    private readonly CancellationTokenRegistration _kill;
    private string _lastError = string.Empty;

    private PeerProcess(string python, Process process, CancellationToken cancellation)
    {
        _python = python;
        _process = process;
        _cancellation = cancellation;
        _process.ErrorDataReceived += (_, line) => _lastError = string.IsNullOrWhiteSpace(line.Data) ? _lastError : line.Data.Trim();
        _process.BeginErrorReadLine();
        _kill = cancellation.Register(static process => Kill((Process)process!), process);
    }

    /// <summary>Library and version.</summary>
    public string Name { get; private set; } = string.Empty;

    /// <summary>What makes the comparison unfair to the peer.</summary>
    public IReadOnlyList<string> Warnings { get; private set; } = [];

    /// <summary>Forms of cases (<see cref="BenchCase.PeerForm"/>) that it cannot do here.</summary>
    public IReadOnlyList<string> Lacks { get; private set; } = [];

    /// <summary>Starts the interpreter and waits until it has loaded PyTorch.</summary>
    /// <exception cref="IOException">It cannot be started, has no PyTorch, or does not answer as it should.</exception>
    public static PeerProcess Start(string python, Device device, MatrixPrecision precision, CancellationToken cancellation)
    {
        string count = device.Threads.ToString(CultureInfo.InvariantCulture);
        var start = new ProcessStartInfo(python)
        {
            ArgumentList = { "-c", ReadScript() },
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            Environment = { ["OMP_NUM_THREADS"] = count, ["OPENBLAS_NUM_THREADS"] = count, ["MKL_NUM_THREADS"] = count },
        };
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Exception failure) when (failure is Win32Exception or InvalidOperationException)
        {
            string reason = Directory.Exists(python) ? "it is a directory" : failure.Message.TrimEnd('.');
            throw new IOException($"--against {python} cannot be started: {reason}.", failure);
        }

        var peer = new PeerProcess(python, process, cancellation);
        try
        {
            peer.Greet(Greeting(device, precision));
            return peer;
        }
        catch
        {
            peer.Dispose();
            throw;
        }
    }

    /// <summary>Makes a case the one that rounds run, and runs it once.</summary>
    /// <returns>Whether it has such a case.</returns>
    public bool Prepare(BenchCase each)
    {
        if (each.PeerRequest is not JsonObject request)
        {
            return false;
        }

        if (Ask(request, "ready").GetValueKind() != JsonValueKind.True)
        {
            throw new IOException($"--against {_python} is not ready for {each.Operation} {each.Shape}.");
        }

        return true;
    }

    /// <summary>Runs the prepared case for at least so many seconds.</summary>
    /// <returns>The median time of a run, in seconds.</returns>
    public double Round(double seconds)
    {
        JsonNode answer = Ask(new JsonObject { ["seconds"] = seconds }, "medianSeconds");
        return answer.GetValueKind() == JsonValueKind.Number && answer.GetValue<double>() is > 0 and var median && double.IsFinite(median)
            ? median
            : throw new IOException($"--against {_python} gave {answer.ToJsonString()} as a time.");
    }

    /// <summary>How far the prepared case's result is from float64, as <see cref="BenchCase.MeasureError"/>.</summary>
    public double MeasureError() => Ask(new JsonObject { ["error"] = true }, "error").GetValue<double>();

    public void Dispose()
    {
        _kill.Dispose();
        Kill(_process);
        _process.Dispose();
    }

    private static void Kill(Process process)
    {
        try
        {
            process.Kill(entireProcessTree: true);
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }
    }

    private static string ReadScript()
    {
        using Stream stream = typeof(PeerProcess).Assembly.GetManifestResourceStream(Script)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    /// <summary>On a GPU the peer may take TF32 where we do not insist on float32's accuracy.</summary>
    private static JsonObject Greeting(Device device, MatrixPrecision precision)
    {
        var greeting = new JsonObject { ["threads"] = device.Threads };
        if (device.Name != "cpu")
        {
            greeting["device"] = device.Name;
            greeting["tf32"] = precision is MatrixPrecision.Tf32 or MatrixPrecision.Bfloat16;
        }

        return greeting;
    }

    private void Greet(JsonObject greeting)
    {
        JsonNode name = Ask(greeting, "name");
        Name = name.GetValueKind() == JsonValueKind.String ? name.GetValue<string>() : name.ToJsonString();
        Warnings = Texts(name.Parent!["warnings"]);
        Lacks = Texts(name.Parent["lacks"]);
    }

    private static string[] Texts(JsonNode? list) => list is JsonArray texts ? [.. texts.Select(static text => $"{text}")] : [];

    /// <summary>Sends one line, waits for one, and returns the wanted member of the answer.</summary>
    private JsonNode Ask(JsonObject request, string wanted)
    {
        string? line;
        try
        {
            _process.StandardInput.WriteLine(request.ToJsonString());
            _process.StandardInput.Flush();
            line = _process.StandardOutput.ReadLine();
        }
        catch (IOException)
        {
            // The pipe broke, so the process has ended.
            line = null;
        }

        _cancellation.ThrowIfCancellationRequested();
        if (line is null)
        {
            // Waiting also drains standard error.
            _process.WaitForExit();
            string reason = _lastError.Length == 0 ? $"exit code {_process.ExitCode}" : _lastError;
            throw new IOException($"--against {_python} ended: {reason}. It must be a Python interpreter that can import torch.");
        }

        return Parse(line)?[wanted]
            ?? throw new IOException($"--against {_python} answered '{line}'; wanted a JSON object with {wanted}.");
    }

    private static JsonObject? Parse(string line)
    {
        try
        {
            return JsonNode.Parse(line) as JsonObject;
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
