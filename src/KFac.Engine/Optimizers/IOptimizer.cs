namespace KFac.Engine;

/// <summary>Turns gradients into parameter updates.</summary>
/// <remarks>One step of training is: forward pass; backward pass with weight gradients of the mean-reduced loss, handing
/// rows to <see cref="TrainingPassSink"/> where it is not null; gradient clipping, with the same sink; <see cref="Step"/>.</remarks>
public interface IOptimizer : IStateful, IDisposable
{
    /// <summary>Short name, for example <c>kfac</c> or <c>adamw</c>.</summary>
    string Name { get; }

    /// <summary>Where the next training backward pass shall deliver its rows; null when nothing is wanted. The empirical
    /// Fisher makes B of them, which spares it a pass of its own, and K-FAC preconditions few rows instead of a large gradient.</summary>
    ITrainingSink? TrainingPassSink { get; }

    /// <summary>Numerical events so far (retries, added damping, stale inverses); none for first-order rules.</summary>
    IReadOnlyList<NumericalEventCount> Events { get; }

    /// <summary>Updates the parameters in place from their gradients.</summary>
    /// <param name="model">The model after its forward pass on this step's batch.</param>
    /// <param name="parameters">Values and gradients.</param>
    /// <param name="learningRate">η of this step, from the schedule.</param>
    void Step(ICurvatureModel model, ParameterSet parameters, double learningRate);
}

/// <summary>How often one kind of numerical event happened to one layer.</summary>
/// <param name="Layer">The layer's name.</param>
/// <param name="Kind">What happened, for example <c>retriedInDouble</c>, <c>dampingIncreased</c>, <c>keptLastInverse</c>.</param>
/// <param name="Count">How often.</param>
public sealed record NumericalEventCount(string Layer, string Kind, long Count);
