namespace KFac.Engine;

/// <summary>The parts of a training step whose times are worth telling apart.</summary>
public enum StepPhase
{
    /// <summary>Forward pass and loss.</summary>
    Forward,

    /// <summary>Back-propagation of the loss, weight gradients included.</summary>
    Backward,

    /// <summary>Back-propagation of the seeds that B is made of, without weight gradients.</summary>
    CurvaturePass,

    /// <summary>Gram matrices of inputs and output gradients, the search for NaN and infinity in them, moving averages.</summary>
    Factors,

    /// <summary>Damped inverses or eigenbases of all factors.</summary>
    Inverses,

    /// <summary>From gradients to directions, KL clipping included.</summary>
    Precondition,

    /// <summary>From directions to parameters: momentum and weight decay, and the product of directions that are given by rows.</summary>
    Update,

    /// <summary>Checks of the gradients, and what else belongs to no other part.</summary>
    Other,
}

/// <summary>Is told which part of a training step the work belongs to that is given to the device from now on.</summary>
/// <remarks>For measuring (<see cref="FactorOptions.Clock"/>): a clock on a GPU has to wait for the device at every call.</remarks>
public interface IStepClock
{
    /// <summary>A part begins.</summary>
    /// <returns>The part that this interrupts, for a caller that goes back to it.</returns>
    StepPhase Begin(StepPhase phase);
}
