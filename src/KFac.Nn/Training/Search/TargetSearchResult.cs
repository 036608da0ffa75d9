namespace KFac.Nn;

/// <summary>One run of a search.</summary>
/// <param name="Optimizer">Its settings.</param>
/// <param name="Seed">Of weights, batches and samples.</param>
/// <param name="Evaluations">Its course, oldest first; ends early where the run diverged or reached its target.</param>
/// <param name="Diverged">Whether the loss stopped being finite.</param>
/// <param name="SecondsPerStep">Training time of a step, evaluations left out; 0 where the run diverged.</param>
public sealed record SearchRun(
    OptimizerSettings Optimizer, ulong Seed, IReadOnlyList<Evaluation> Evaluations, bool Diverged, double SecondsPerStep)
{
    /// <summary>The best value of a metric in the run.</summary>
    public double Best(string metric)
    {
        IEnumerable<double> values = Evaluations.Select(evaluation => evaluation.Metrics.Get(metric));
        return MetricDefinition.IsHigherBetter(metric) ? values.Max() : values.Min();
    }

    /// <summary>The first evaluated step at which a target was reached; null when it was not.</summary>
    public long? StepsTo(TrainingTarget target)
    {
        ArgumentNullException.ThrowIfNull(target);
        foreach (Evaluation evaluation in Evaluations)
        {
            if (target.IsReached(evaluation.Metrics))
            {
                return evaluation.Step;
            }
        }

        return null;
    }
}

/// <summary>What a search found for one optimizer.</summary>
/// <param name="Name">As <see cref="SearchSpace.Name"/>.</param>
/// <param name="Trials">All trials, in order.</param>
/// <param name="Chosen">The finalist whose repetitions have the best median: of a reference's metric, of K-FAC's steps to the
/// target.</param>
/// <param name="Repetitions">Runs of the chosen settings with new seeds.</param>
/// <param name="StepsToTarget">Median over the repetitions; null when half of them or more did not reach it.</param>
/// <param name="SecondsPerStep">Median over the repetitions.</param>
public sealed record SearchRow(
    string Name,
    IReadOnlyList<SearchRun> Trials,
    SearchRun Chosen,
    IReadOnlyList<SearchRun> Repetitions,
    long? StepsToTarget,
    double SecondsPerStep)
{
    /// <summary>Training time to the target; null when it was not reached.</summary>
    public double? SecondsToTarget => StepsToTarget * SecondsPerStep;
}

/// <summary>What a search came to.</summary>
/// <param name="Target">The metric and the value that all are timed to.</param>
/// <param name="Reference">The reference optimizer that set it.</param>
/// <param name="Rows">References first, then K-FAC.</param>
public sealed record TargetSearchResult(TrainingTarget Target, SearchRow Reference, IReadOnlyList<SearchRow> Rows);
