using System.Text.Json.Serialization;
using KFac.Kernels;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>Result of <see cref="TuneCommand"/>.</summary>
/// <param name="Environment">In files only.</param>
internal sealed record TuneReport(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] BenchEnvironment? Environment,
    string Workload,
    string Data,
    string Device,
    int Threads,
    ulong Seed,
    int BatchSize,
    int Steps,
    double KfacShare,
    int EvaluationInterval,
    int Trials,
    int Finalists,
    int Repetitions,
    string Metric,
    double Target,
    string Reference,
    double Seconds,
    IReadOnlyList<TuneRow> Optimizers)
{
    public static TuneReport Of(TargetSearchOptions options, TrainingProblem problem, Device device, TargetSearchResult result, double seconds) => new(
        null,
        options.Workload.Name,
        problem.DataName,
        device.Name,
        device.Threads,
        options.Seed,
        options.Workload.BatchSize,
        options.Steps,
        options.KfacShare,
        options.EvaluationInterval,
        options.Trials,
        options.Finalists,
        options.Repetitions,
        result.Target.Metric,
        result.Target.Value,
        result.Reference.Name,
        seconds,
        [.. result.Rows.Select(row => TuneRow.Of(row, result))]);

    /// <summary>A run as it goes by.</summary>
    public static string Line(string name, int index, int count, SearchRun run, string metric)
    {
        TunePoint point = TunePoint.Of(run, metric);
        string best = run.Diverged ? "diverged" : FormattableString.Invariant($"{metric} {point.Best:0.#####}");
        return FormattableString.Invariant($"{name} {index + 1}/{count}  {point.Settings()}  {best}  {run.Evaluations[^1].Step} steps");
    }
}

/// <summary>One optimizer of a <see cref="TuneReport"/>.</summary>
/// <param name="Best">Median over the repetitions of the best metric; null where the middle one diverged.</param>
/// <param name="StepsToTarget">Median over the repetitions; null where it was not reached.</param>
/// <param name="ShareOfReference">Of the steps that the reference needs.</param>
internal sealed record TuneRow(
    string Optimizer,
    TunePoint Chosen,
    double? Best,
    long? StepsToTarget,
    double? ShareOfReference,
    double? SecondsToTarget,
    double SecondsPerStep,
    IReadOnlyList<TunePoint> Repetitions,
    IReadOnlyList<TunePoint> Trials)
{
    public static TuneRow Of(SearchRow row, TargetSearchResult result)
    {
        string metric = result.Target.Metric;
        List<TunePoint> repetitions = [.. row.Repetitions.Select(run => TunePoint.Of(run, metric, result.Target))];
        double?[] sorted = [.. repetitions.Select(static point => point.Best).Order()];
        return new TuneRow(
            row.Name,
            TunePoint.Of(row.Chosen, metric, result.Target),
            sorted[(sorted.Length - 1) / 2],
            row.StepsToTarget,
            (double?)row.StepsToTarget / result.Reference.StepsToTarget,
            row.SecondsToTarget,
            row.SecondsPerStep,
            repetitions,
            [.. row.Trials.Select(run => TunePoint.Of(run, metric, result.Target))]);
    }
}

/// <summary>One run of a <see cref="TuneReport"/>; <c>best</c> is null where it diverged.</summary>
internal sealed record TunePoint(
    ulong Seed, double LearningRate, double Momentum, double WeightDecay, double? Damping, double? Best, long? StepsToTarget)
{
    public static TunePoint Of(SearchRun run, string metric, TrainingTarget? target = null) => new(
        run.Seed,
        run.Optimizer.LearningRate,
        run.Optimizer.Momentum,
        run.Optimizer.WeightDecay,
        run.Optimizer.Kind == OptimizerKind.Kfac ? run.Optimizer.Damping : null,
        run.Diverged ? null : run.Best(metric),
        target is null ? null : run.StepsTo(target));

    /// <summary>The hyper-parameters for people.</summary>
    public string Settings()
    {
        string text = FormattableString.Invariant($"η {LearningRate:g3}, μ {Momentum:g3}, decay {WeightDecay:g3}");
        return Damping is double damping ? FormattableString.Invariant($"{text}, λ {damping:g3}") : text;
    }
}
