namespace KFac.Nn;

/// <summary>How far a run is, told after every step and every evaluation.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="LastStep">Where the run ends unless it reaches its target before.</param>
/// <param name="StepsPerEpoch">Steps in an epoch.</param>
/// <param name="BatchLoss">Mean loss on the last batch; NaN before the first step.</param>
/// <param name="SamplesPerSecond">Training throughput of the run so far, evaluations and checkpoints left out.</param>
/// <param name="Remaining">Expected time to <paramref name="LastStep"/>.</param>
/// <param name="Evaluation">The newest evaluation, when this event tells of one; else null.</param>
public readonly record struct TrainingProgress(
    long Step,
    long LastStep,
    int StepsPerEpoch,
    double BatchLoss,
    double SamplesPerSecond,
    TimeSpan Remaining,
    Evaluation? Evaluation);

/// <summary>Why a run ended.</summary>
public enum TrainingOutcome
{
    /// <summary>It did all its steps and had no target.</summary>
    Completed,

    /// <summary>It reached its target.</summary>
    TargetReached,

    /// <summary>It did all its steps without reaching its target.</summary>
    TargetMissed,

    /// <summary>It was asked to stop; with a checkpoint directory it can be resumed.</summary>
    Cancelled,
}
