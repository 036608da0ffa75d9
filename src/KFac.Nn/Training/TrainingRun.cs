using System.Diagnostics;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Trains a workload: steps, evaluations, log and checkpoints.</summary>
/// <remarks>
/// The run evaluates before the first step, at every evaluation interval and at the end, and writes a checkpoint before the
/// first step, at every checkpoint interval, when it is asked to stop, and at the end. Same options, data, device and
/// vector width give the same bits, whatever the number of threads, and however often the run is killed and resumed. Not
/// thread-safe.
/// </remarks>
public sealed class TrainingRun : IStateful, IDisposable
{
    private readonly DeviceStream _stream;
    private readonly TrainingOptions _options;
    private readonly string _fingerprint;
    private readonly Network _network;
    private readonly IOptimizer _optimizer;
    private readonly TrainingStep _trainingStep;
    private readonly Evaluator _evaluator;
    private readonly CheckpointStore? _checkpoints;
    private readonly TrainingHistory _history;
    private readonly long _lastStep;
    private readonly int _evaluationInterval;
    private readonly int _checkpointInterval;
    private long _step;
    private double _stepSeconds;
    private double _secondsBefore;
    private long _started;
    private double _batchLoss = double.NaN;

    /// <summary>Builds the network and the optimizer; nothing is read or written yet.</summary>
    /// <param name="device">Where to train.</param>
    /// <param name="options">What to do.</param>
    /// <param name="problem">From <see cref="Workload.Load"/> of the options' workload.</param>
    /// <exception cref="ArgumentException">An option is out of range or does not fit the data.</exception>
    public TrainingRun(Device device, TrainingOptions options, TrainingProblem problem)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(problem);
        options.Validate();
        _stream = device.DefaultStream;
        _options = options;
        _fingerprint = options.Fingerprint(problem);
        _checkpoints = options.CheckpointDirectory is string directory ? new CheckpointStore(directory) : null;
        _checkpoints?.RequireDirectory();
        _history = new TrainingHistory(options.Workload.MetricNames);
        _network = problem.CreateNetwork(device, options.Seed);
        _optimizer = OptimizerFactory.Create(device, _network, options.Optimizer, options.Seed);
        _trainingStep = new TrainingStep(_stream, options, problem, _network, _optimizer);
        int trainCount = problem.CountOf(DataPart.Train);
        int evaluated = Math.Min(options.TrainEvaluationCount ?? problem.MostTrainExamplesEvaluated, trainCount);
        _evaluator = new Evaluator(_stream, _network, options.Workload, problem, evaluated);
        int epoch = _trainingStep.StepsPerEpoch;
        _lastStep = options.LastStep(trainCount);
        _evaluationInterval = options.EvaluationInterval ?? epoch;
        _checkpointInterval = options.CheckpointInterval ?? epoch;
    }

    /// <summary>Steps done.</summary>
    public long Step => _step;

    /// <summary>The network that is trained.</summary>
    public Network Network => _network;

    private double Seconds => _secondsBefore + Stopwatch.GetElapsedTime(_started).TotalSeconds;

    private double SamplesPerSecond => _stepSeconds > 0 ? _step * _options.Workload.BatchSize / _stepSeconds : 0;

    private bool IsTargetReached =>
        _options.Target is { } target && _history.Evaluations.Count > 0 && target.IsReached(_history.Evaluations[^1].Metrics);

    /// <summary>Trains until the end, the target, or a request to stop.</summary>
    /// <param name="progress">Called on this thread after every step and evaluation; null for no calls.</param>
    /// <param name="cancellation">Stops after the current step, with a checkpoint where there is a directory for it.</param>
    /// <exception cref="TrainingException">The loss is no longer finite. The last checkpoint stays as it is.</exception>
    /// <exception cref="InvalidDataException">The checkpoint to resume from is unsound or belongs to another run.</exception>
    /// <exception cref="IOException">A checkpoint or the log cannot be written.</exception>
    public TrainingResult Run(Action<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        Restore();
        _started = Stopwatch.GetTimestamp();
        using MetricsLog? log = _options.LogFile is string path ? new MetricsLog(path, _options.Workload.MetricNames, _history) : null;
        if (_history.Evaluations.Count == 0)
        {
            Evaluate(log, progress);

            // A directory that cannot hold a checkpoint is better known now than after an epoch.
            SaveCheckpoint();
        }

        while (_step < _lastStep && !IsTargetReached)
        {
            if (cancellation.IsCancellationRequested)
            {
                SaveCheckpoint();
                return Result(TrainingOutcome.Cancelled);
            }

            Advance(log, progress);
        }

        // Before an evaluation that an uninterrupted, longer run would not make, so that this run can be prolonged.
        SaveCheckpoint();
        if (_history.Evaluations[^1].Step != _step)
        {
            Evaluate(log, progress);
        }

        return Result(Outcome());
    }

    /// <inheritdoc/>
    public void VisitState(IStateVisitor visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        double seconds = _started == 0 ? _secondsBefore : Seconds;
        visitor.Integer("steps", ref _step);
        visitor.Real("stepSeconds", ref _stepSeconds);
        visitor.Real("seconds", ref seconds);
        if (_started == 0)
        {
            _secondsBefore = seconds;
        }

        _trainingStep.VisitState(visitor);
        _history.VisitState(visitor);
    }

    /// <summary>Gives back the memory on the device.</summary>
    public void Dispose()
    {
        _evaluator.Dispose();
        _trainingStep.Dispose();
        _optimizer.Dispose();
        _network.Dispose();
    }

    private void Restore()
    {
        if (_checkpoints is not { Exists: true })
        {
            return;
        }

        if (!_options.Resume)
        {
            throw new IOException($"{_checkpoints.FilePath} holds the checkpoint of another run; resume it, or name another directory.");
        }

        _checkpoints.Load(_fingerprint, _stream, this);
    }

    private void Advance(MetricsLog? log, Action<TrainingProgress>? progress)
    {
        long before = Stopwatch.GetTimestamp();
        double rate = _options.Schedule?.At(_step) ?? _options.Optimizer.LearningRate;
        _batchLoss = _trainingStep.Run(_step + 1, rate);
        _stepSeconds += Stopwatch.GetElapsedTime(before).TotalSeconds;
        _step++;
        if (_step % _evaluationInterval == 0)
        {
            Evaluate(log, progress);
        }
        else
        {
            Tell(progress, null);
        }

        if (_step % _checkpointInterval == 0)
        {
            SaveCheckpoint();
        }
    }

    private void Evaluate(MetricsLog? log, Action<TrainingProgress>? progress)
    {
        var evaluation = new Evaluation(_step, Seconds, _evaluator.Measure());
        foreach (string name in _options.Workload.MetricNames)
        {
            double value = evaluation.Metrics.Get(name);
            if (!double.IsFinite(value))
            {
                throw new TrainingException(
                    $"{name} is {value} after step {_step}; the run diverged. Try a smaller learning rate or more damping.", _step);
            }
        }

        _history.Add(evaluation);
        log?.Write(evaluation);
        Tell(progress, evaluation);
    }

    private void Tell(Action<TrainingProgress>? progress, Evaluation? evaluation)
    {
        if (progress is null)
        {
            return;
        }

        double perStep = _step == 0 ? 0 : Seconds / _step;
        var remaining = TimeSpan.FromSeconds(perStep * (_lastStep - _step));
        progress(new TrainingProgress(
            _step, _lastStep, _trainingStep.StepsPerEpoch, _batchLoss, SamplesPerSecond, remaining, evaluation));
    }

    private TrainingOutcome Outcome()
    {
        if (_options.Target is null)
        {
            return TrainingOutcome.Completed;
        }

        return IsTargetReached ? TrainingOutcome.TargetReached : TrainingOutcome.TargetMissed;
    }

    private void SaveCheckpoint() => _checkpoints?.Save(_fingerprint, _stream, this);

    private TrainingResult Result(TrainingOutcome outcome) => new(
        outcome,
        _step,
        (double)_step / _trainingStep.StepsPerEpoch,
        Seconds,
        SamplesPerSecond,
        _options.Optimizer.Kind is OptimizerKind.Kfac or OptimizerKind.Foof ? _options.Optimizer.Approximation : null,
        _optimizer.Events,
        [.. _history.Evaluations]);
}
