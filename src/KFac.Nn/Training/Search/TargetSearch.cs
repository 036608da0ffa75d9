using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Tunes first-order optimizers, lets the best of them set a target, and times K-FAC to it.</summary>
/// <remarks>
/// In the manner of AlgoPerf (K-FAC for modern architectures, C.1 to C.4). Nesterov, AdamW and NAdamW get the same number of
/// trials. The finalists of each, those with the best validation metric, are repeated with new seeds; the best of the medians of
/// their best metrics is the target. K-FAC-expand and K-FAC-reduce then get as many trials over learning rate, damping and weight
/// decay, with a schedule that is shorter by <see cref="TargetSearchOptions.KfacShare"/>, and the trials that reach the target
/// first are repeated with the same seeds. What stands for an optimizer is the finalist with the best median: one lucky run
/// chooses nothing.
/// </remarks>
public sealed class TargetSearch
{
    private const int TrainExamplesEvaluated = 100;
    private const ulong RepetitionSeeds = 1000;

    private readonly Device _device;
    private readonly TargetSearchOptions _options;
    private readonly TrainingProblem _problem;
    private readonly Action<string, int, int, SearchRun>? _progress;
    private readonly CancellationToken _cancellation;

    private TargetSearch(
        Device device, TargetSearchOptions options, TrainingProblem problem, Action<string, int, int, SearchRun>? progress, CancellationToken cancellation)
    {
        _device = device;
        _options = options;
        _problem = problem;
        _progress = progress;
        _cancellation = cancellation;
    }

    private bool HigherIsBetter => MetricDefinition.IsHigherBetter(_options.MetricName);

    /// <summary>Runs the search.</summary>
    /// <param name="problem">From <see cref="Workload.Load"/> of the options' workload.</param>
    /// <param name="progress">Told after each run: its name, its index among those of this name, their number, and the run.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="OperationCanceledException">The search was asked to stop.</exception>
    /// <exception cref="TrainingException">The reference optimizers diverged.</exception>
    public static TargetSearchResult Run(
        Device device,
        TargetSearchOptions options,
        TrainingProblem problem,
        Action<string, int, int, SearchRun>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(problem);
        options.Validate();
        return new TargetSearch(device, options, problem, progress, cancellation).Run();
    }

    /// <summary>The middle of the values; of two in the middle the lower.</summary>
    internal static T Median<T>(IEnumerable<T> values)
    {
        T[] sorted = [.. values.Order()];
        return sorted[(sorted.Length - 1) / 2];
    }

    private TargetSearchResult Run()
    {
        List<Candidate> references = [];
        foreach (OptimizerKind kind in (OptimizerKind[])[OptimizerKind.Nesterov, OptimizerKind.AdamW, OptimizerKind.NAdamW])
        {
            SearchSpace space = SearchSpace.For(kind, SharingApproximation.Expand, _options.Workload);
            references.Add(Search(space, target: null, Order));
        }

        double best = references.Min(static reference => reference.Score);
        if (double.IsInfinity(best))
        {
            throw new TrainingException("The reference optimizers diverged; try smaller learning rates.", 0);
        }

        var target = new TrainingTarget(_options.MetricName, HigherIsBetter ? -best : best);
        List<Candidate> all = [.. references];
        foreach (SharingApproximation approximation in (SharingApproximation[])[SharingApproximation.Expand, SharingApproximation.Reduce])
        {
            SearchSpace space = SearchSpace.For(OptimizerKind.Kfac, approximation, _options.Workload);
            all.Add(Search(space, target, run => run.StepsTo(target) ?? double.PositiveInfinity));
        }

        List<SearchRow> rows = [.. all.Select(candidate => candidate.Row(target))];
        return new TargetSearchResult(target, rows[references.FindIndex(reference => reference.Score == best)], rows);
    }

    /// <summary>Tries a space, repeats the finalists, and keeps the one with the best median score.</summary>
    /// <param name="score">Of a run, the lower the better; ties go to the better metric.</param>
    private Candidate Search(SearchSpace space, TrainingTarget? target, Func<SearchRun, double> score)
    {
        List<SearchRun> trials = Trials(space, target);
        List<Candidate> finalists = [];
        foreach (SearchRun finalist in trials.OrderBy(score).ThenBy(Order).Take(_options.Finalists))
        {
            List<SearchRun> runs = Repeat(finalist, target);
            finalists.Add(new Candidate(space.Name, trials, finalist, runs, Median(runs.Select(score)), Median(runs.Select(Order))));
        }

        return finalists.OrderBy(static one => one.Score).ThenBy(static one => one.Metric).First();
    }

    /// <summary>The lower the better; infinite where a run diverged.</summary>
    private double Order(SearchRun run)
    {
        if (run.Diverged)
        {
            return double.PositiveInfinity;
        }

        double best = run.Best(_options.MetricName);
        return HigherIsBetter ? -best : best;
    }

    private List<SearchRun> Trials(SearchSpace space, TrainingTarget? target)
    {
        var runs = new List<SearchRun>(_options.Trials);
        for (int trial = 0; trial < _options.Trials; trial++)
        {
            runs.Add(Train(space.PointOf(trial, _options.Seed), _options.Seed, target));
            _progress?.Invoke(space.Name, trial, _options.Trials, runs[^1]);
        }

        return runs;
    }

    private List<SearchRun> Repeat(SearchRun chosen, TrainingTarget? target)
    {
        var runs = new List<SearchRun>(_options.Repetitions);
        for (int i = 0; i < _options.Repetitions; i++)
        {
            runs.Add(Train(chosen.Optimizer, _options.Seed + RepetitionSeeds + (ulong)i, target));
            _progress?.Invoke($"{SearchSpace.NameOf(chosen.Optimizer)} again", i, _options.Repetitions, runs[^1]);
        }

        return runs;
    }

    private SearchRun Train(OptimizerSettings optimizer, ulong seed, TrainingTarget? target)
    {
        var evaluations = new List<Evaluation>();
        using var run = new TrainingRun(_device, Options(optimizer, seed, target), _problem);
        try
        {
            TrainingResult result = run.Run(progress => Collect(progress, evaluations), _cancellation);
            _cancellation.ThrowIfCancellationRequested();
            double perStep = result.SamplesPerSecond > 0 ? _options.Workload.BatchSize / result.SamplesPerSecond : 0;
            return new SearchRun(optimizer, seed, evaluations, Diverged: false, perStep);
        }
        catch (Exception failure) when (failure is TrainingException or NonFiniteCaptureException)
        {
            return new SearchRun(optimizer, seed, evaluations, Diverged: true, SecondsPerStep: 0);
        }
    }

    private TrainingOptions Options(OptimizerSettings optimizer, ulong seed, TrainingTarget? target)
    {
        bool shorter = optimizer.Kind == OptimizerKind.Kfac;
        int steps = shorter ? (int)(_options.Steps * _options.KfacShare) : _options.Steps;
        return new TrainingOptions
        {
            Workload = _options.Workload,
            Optimizer = optimizer,
            Schedule = new WarmupCosineSchedule(optimizer.LearningRate, (long)(steps * _options.WarmupShare), steps),
            Seed = seed,
            Steps = steps,
            Target = target,
            EvaluationInterval = _options.EvaluationInterval,
            TrainEvaluationCount = TrainExamplesEvaluated,
            GradientClip = _options.GradientClip,
        };
    }

    private static void Collect(in TrainingProgress progress, List<Evaluation> evaluations)
    {
        if (progress.Evaluation is Evaluation evaluation)
        {
            evaluations.Add(evaluation);
        }
    }

    /// <summary>Settings of an optimizer and how their repetitions went.</summary>
    private sealed record Candidate(
        string Name, IReadOnlyList<SearchRun> Trials, SearchRun Chosen, IReadOnlyList<SearchRun> Repetitions, double Score, double Metric)
    {
        public SearchRow Row(TrainingTarget target)
        {
            long steps = Median(Repetitions.Select(run => run.StepsTo(target) ?? long.MaxValue));
            return new SearchRow(
                Name, Trials, Chosen, Repetitions, steps == long.MaxValue ? null : steps, Median(Repetitions.Select(static run => run.SecondsPerStep)));
        }
    }
}
