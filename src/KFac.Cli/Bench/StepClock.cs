using System.Diagnostics;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>Adds up what the parts of training steps take, run by run. Waits for the device wherever one part ends.</summary>
internal sealed class StepClock(DeviceStream stream) : IStepClock
{
    private static readonly StepPhase[] _phases = Enum.GetValues<StepPhase>();

    private readonly List<double>[] _runs = [.. _phases.Select(static _ => new List<double>())];
    private readonly double[] _seconds = new double[_phases.Length];
    private StepPhase _phase;
    private long _start;

    /// <summary>A run begins.</summary>
    public void Start()
    {
        stream.Synchronize();
        Array.Clear(_seconds);
        _phase = StepPhase.Other;
        _start = Stopwatch.GetTimestamp();
    }

    /// <summary>The run ends.</summary>
    public void Stop()
    {
        Begin(StepPhase.Other);
        for (int phase = 0; phase < _seconds.Length; phase++)
        {
            _runs[phase].Add(_seconds[phase]);
        }
    }

    /// <inheritdoc/>
    public StepPhase Begin(StepPhase phase)
    {
        stream.Synchronize();
        long now = Stopwatch.GetTimestamp();
        _seconds[(int)_phase] += Stopwatch.GetElapsedTime(_start, now).TotalSeconds;
        _start = now;
        StepPhase interrupted = _phase;
        _phase = phase;
        return interrupted;
    }

    /// <summary>Medians over the runs, for one of <paramref name="units"/> units of a run. The first run, which warms up, is left out where there
    /// are others.</summary>
    public IReadOnlyList<PhaseMeasurement> Medians(int units) =>
        [.. _phases.Select(phase => new PhaseMeasurement(NameOf(phase), MedianOf(_runs[(int)phase]) / units))];

    private static double MedianOf(List<double> runs) => runs.Count == 0 ? 0 : BenchRounds.Median(runs.Skip(runs.Count > 1 ? 1 : 0));

    /// <summary>As in JSON: camel case.</summary>
    private static string NameOf(StepPhase phase) => System.Text.Json.JsonNamingPolicy.CamelCase.ConvertName(phase.ToString());
}
