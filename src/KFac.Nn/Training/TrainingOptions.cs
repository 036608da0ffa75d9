using System.Globalization;
using KFac.Engine;

namespace KFac.Nn;

/// <summary>Settings of a training run.</summary>
public sealed record TrainingOptions
{
    /// <summary>Network and data.</summary>
    public required Workload Workload { get; init; }

    /// <summary>Optimizer and hyper-parameters.</summary>
    public required OptimizerSettings Optimizer { get; init; }

    /// <summary>How the learning rate goes; its peak is the optimizer's.</summary>
    public LearningRateSchedule? Schedule { get; init; }

    /// <summary>Seed of initial weights, batches and samples.</summary>
    public ulong Seed { get; init; }

    /// <summary>Ends the run after as many steps; null for no such end.</summary>
    public long? Steps { get; init; }

    /// <summary>Ends the run after as many epochs; null for no such end. Without <see cref="Steps"/> too, the workload's.</summary>
    public int? Epochs { get; init; }

    /// <summary>Ends the run at the first evaluation that reaches it.</summary>
    public TrainingTarget? Target { get; init; }

    /// <summary>Steps from one evaluation to the next; null for an epoch.</summary>
    public int? EvaluationInterval { get; init; }

    /// <summary>How many of the first training examples an evaluation measures; null for all, at most 10,000.</summary>
    public int? TrainEvaluationCount { get; init; }

    /// <summary>Largest norm of the whole gradient, which is scaled down to it; null for no clipping.</summary>
    public double? GradientClip { get; init; }

    /// <summary>Where checkpoints go; null for none.</summary>
    public string? CheckpointDirectory { get; init; }

    /// <summary>Steps from one checkpoint to the next; null for an epoch.</summary>
    public int? CheckpointInterval { get; init; }

    /// <summary>Goes on from the checkpoint in <see cref="CheckpointDirectory"/>; starts from the beginning where there is none yet.</summary>
    public bool Resume { get; init; }

    /// <summary>Gets one JSON line per evaluation; null for none.</summary>
    public string? LogFile { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        Workload.Validate();
        Optimizer.Validate();
        Require(Steps is null or >= 1, "number of steps", Steps, "at least 1");
        Require(Epochs is null or >= 1, "number of epochs", Epochs, "at least 1");
        Require(EvaluationInterval is null or >= 1, "evaluation interval", EvaluationInterval, "at least 1");
        Require(TrainEvaluationCount is null or >= 1, "number of training examples to evaluate", TrainEvaluationCount, "at least 1");
        Require(CheckpointInterval is null or >= 1, "checkpoint interval", CheckpointInterval, "at least 1");
        Require(GradientClip is null || (GradientClip > 0 && double.IsFinite(GradientClip.Value)), "gradient clip", GradientClip, "a finite number above 0");
        if (Resume && CheckpointDirectory is null)
        {
            throw new ArgumentException("A run can be resumed only from a checkpoint directory; none was given.");
        }

        if (Target is not null && !Workload.MetricNames.Contains(Target.Metric))
        {
            throw new ArgumentException($"The target names '{Target.Metric}'; {Workload.Name} has {string.Join(", ", Workload.MetricNames)}.");
        }
    }

    /// <summary>The step that the run ends at, unless it reaches its target before.</summary>
    /// <param name="trainingExamples">Number of training examples.</param>
    public long LastStep(int trainingExamples)
    {
        int stepsPerEpoch = trainingExamples / Workload.BatchSize;
        long byEpochs = Epochs is int epochs ? (long)epochs * stepsPerEpoch : long.MaxValue;
        long last = Math.Min(Steps ?? long.MaxValue, byEpochs);
        return last == long.MaxValue ? (long)Workload.Epochs * stepsPerEpoch : last;
    }

    /// <summary>What a checkpoint shares with the run that goes on from it: everything but where to end and what to write.</summary>
    internal string Fingerprint(TrainingProblem problem) => string.Join('\n', (string[])
    [
        .. Workload.Describe(),
        Line($"seed={Seed}"),
        .. problem.Describe(),
        .. Optimizer.Describe(),
        $"schedule={Schedule}",
        Line($"gradient clip={GradientClip}"),
        Line($"evaluation interval={EvaluationInterval}"),
        Line($"training examples evaluated={TrainEvaluationCount}"),
    ]);

    private static string Line(FormattableString text) => FormattableString.Invariant(text);

    private static void Require(bool isValid, string name, IFormattable? value, string wanted)
    {
        if (!isValid)
        {
            throw new ArgumentException($"The {name} is {value?.ToString(null, CultureInfo.InvariantCulture)}; wanted {wanted}.");
        }
    }
}
