using System.Diagnostics;
using System.Globalization;
using KFac.Kernels;
using KFac.Nn;
using Spectre.Console;

namespace KFac.Cli;

/// <summary>Shows a run on standard error: a line per evaluation, and on a terminal a line in between that keeps changing.</summary>
internal sealed class TrainProgressView
{
    private static readonly TimeSpan _refresh = TimeSpan.FromMilliseconds(200);

    private readonly TextWriter _writer;
    private readonly bool _terminal;
    private readonly string _headline;
    private readonly IReadOnlyList<string> _metrics;
    private readonly string _examples;
    private long _lastRefresh = Stopwatch.GetTimestamp();
    private bool _started;

    public TrainProgressView(IAnsiConsole console, TrainingOptions options, TrainingProblem problem, Device device, Network network)
    {
        _writer = console.Profile.Out.Writer;
        _terminal = console.Profile.Capabilities.Ansi && console.Profile.Out.IsTerminal;
        _metrics = options.Workload.MetricNames;
        _examples = $"{options.Workload.Example}s";
        _headline = string.Create(
            CultureInfo.InvariantCulture,
            $"{options.Workload.Name} on {device.Description}: {network.Parameters.Values.Length:N0} parameters, "
            + $"{problem.CountOf(DataPart.Train):N0} {_examples} ({problem.DataName}) to train, {problem.CountOf(DataPart.Validation):N0} to validate, "
            + $"batch {options.Workload.BatchSize}");
    }

    /// <summary>Takes the run's progress.</summary>
    public void Show(TrainingProgress progress)
    {
        if (!_started)
        {
            _started = true;
            _writer.WriteLine(_headline);
        }

        if (progress.Evaluation is Evaluation evaluation)
        {
            Clear();
            IEnumerable<string> values = _metrics.Select(name => FormattableString.Invariant($"{name} {evaluation.Metrics.Get(name):0.#####}"));
            _writer.WriteLine($"{Where(progress)}  {string.Join("  ", values)}{Speed(progress)}");
        }
        else if (_terminal && Stopwatch.GetElapsedTime(_lastRefresh) >= _refresh)
        {
            _lastRefresh = Stopwatch.GetTimestamp();
            Clear();
            _writer.Write(FormattableString.Invariant($"{Where(progress)}  batch loss {progress.BatchLoss:0.#####}{Speed(progress)}"));
            _writer.Flush();
        }
    }

    /// <summary>Leaves the terminal at the start of a line.</summary>
    public void End() => Clear();

    private static string Where(in TrainingProgress progress) => FormattableString.Invariant(
        $"step {progress.Step}/{progress.LastStep}  epoch {(double)progress.Step / progress.StepsPerEpoch:0.00}");

    private string Speed(in TrainingProgress progress) => progress.Step == 0
        ? string.Empty
        : FormattableString.Invariant($"  {progress.SamplesPerSecond:0} {_examples}/s  {progress.Remaining:hh\\:mm\\:ss} left");

    private void Clear()
    {
        if (_terminal)
        {
            _writer.Write("\r\x1b[K");
        }
    }
}
