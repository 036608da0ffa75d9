using KFac.Engine;

namespace KFac.Nn;

/// <summary>What a run came to.</summary>
/// <param name="Outcome">Why it ended.</param>
/// <param name="Steps">Steps done, those before a resumption included.</param>
/// <param name="Epochs">The same in epochs.</param>
/// <param name="Seconds">Wall-clock time, pauses between resumptions left out.</param>
/// <param name="SamplesPerSecond">Training throughput, evaluations and checkpoints left out.</param>
/// <param name="Approximation">What K-FAC or FOOF used; null for other optimizers.</param>
/// <param name="Events">Numerical events by layer and kind.</param>
/// <param name="Evaluations">All evaluations, oldest first; the last one is the result.</param>
public sealed record TrainingResult(
    TrainingOutcome Outcome,
    long Steps,
    double Epochs,
    double Seconds,
    double SamplesPerSecond,
    SharingApproximation? Approximation,
    IReadOnlyList<NumericalEventCount> Events,
    IReadOnlyList<Evaluation> Evaluations)
{
    /// <summary>The last evaluation's metrics.</summary>
    public Metrics Metrics => Evaluations[^1].Metrics;
}
