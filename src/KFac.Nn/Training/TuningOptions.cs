namespace KFac.Nn;

/// <summary>Settings of <see cref="TuningGrid"/>.</summary>
public sealed record TuningOptions
{
    /// <summary>Network and data.</summary>
    public required PerceptronWorkload Workload { get; init; }

    /// <summary>Steps of every run.</summary>
    public int Steps { get; init; } = 200;

    /// <summary>Steps from one measurement of the loss on all training images to the next.</summary>
    public int EvaluationInterval { get; init; } = 20;

    /// <summary>Seed of every run: all start from the same weights and see the same batches.</summary>
    public ulong Seed { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        Workload.Validate();
        if (EvaluationInterval < 1)
        {
            throw new ArgumentException($"The evaluation interval is {EvaluationInterval}; wanted at least 1.");
        }

        if (Steps < 2 * EvaluationInterval)
        {
            throw new ArgumentException($"The number of grid steps is {Steps}; wanted at least {2 * EvaluationInterval}, two evaluation intervals.");
        }
    }
}

/// <summary>One run of a grid.</summary>
/// <param name="Optimizer">Its settings.</param>
/// <param name="Evaluations">Its course, oldest first; ends early where the run diverged.</param>
/// <param name="Diverged">Whether the loss stopped being finite.</param>
public sealed record TuningPoint(OptimizerSettings Optimizer, IReadOnlyList<Evaluation> Evaluations, bool Diverged)
{
    /// <summary>Training loss at the end; infinite where the run diverged.</summary>
    public double FinalTrainLoss => Diverged ? double.PositiveInfinity : Evaluations[^1].Metrics.TrainLoss;

    /// <summary>Training loss at a step; infinite where the run diverged before or did not measure there.</summary>
    public double TrainLossAt(long step)
    {
        foreach (Evaluation evaluation in Evaluations)
        {
            if (evaluation.Step == step)
            {
                return evaluation.Metrics.TrainLoss;
            }
        }

        return double.PositiveInfinity;
    }

    /// <summary>The first measured step with at most this training loss; null when there is none.</summary>
    public long? StepsTo(double trainLoss)
    {
        foreach (Evaluation evaluation in Evaluations)
        {
            if (evaluation.Metrics.TrainLoss <= trainLoss)
            {
                return evaluation.Step;
            }
        }

        return null;
    }
}

/// <summary>One optimizer in a grid's result.</summary>
/// <param name="Name">The optimizer.</param>
/// <param name="Fastest">The point that reaches the mark first, or when none does the one with the lowest final loss.</param>
/// <param name="StepsToMark">Steps that the fastest point needs; null when no point reaches the mark.</param>
/// <param name="Best">The point with the lowest final training loss.</param>
public sealed record TuningRow(string Name, TuningPoint Fastest, long? StepsToMark, TuningPoint Best);

/// <summary>What a grid came to.</summary>
/// <param name="MarkStep">Half the budget.</param>
/// <param name="MarkLoss">The lowest training loss of any K-FAC point at <paramref name="MarkStep"/>: what every optimizer is timed to.</param>
/// <param name="Rows">One per optimizer.</param>
/// <param name="Points">All runs.</param>
public sealed record TuningResult(long MarkStep, double MarkLoss, IReadOnlyList<TuningRow> Rows, IReadOnlyList<TuningPoint> Points);
