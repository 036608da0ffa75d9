namespace KFac.Engine;

/// <summary>What was done about a factor that could not be inverted as it stood.</summary>
public enum NumericalEventKind
{
    /// <summary>The factorisation failed in float32 and was tried again in float64.</summary>
    RetriedInDouble,

    /// <summary>Damping was increased, tenfold at a time.</summary>
    DampingIncreased,

    /// <summary>Nothing helped: the last good inverse stays in use.</summary>
    KeptLastInverse,

    /// <summary>Nothing helped and there is no earlier inverse: the identity over the factor's mean eigenvalue stands in.</summary>
    UsedScaledIdentity,

    /// <summary>The factor had moved too far for its last eigenvectors to be refined: decomposed from scratch. Costs time only.</summary>
    RestartedBasis,
}

/// <summary>One numerical event.</summary>
/// <param name="Layer">The layer's name.</param>
/// <param name="Factor"><c>A</c> or <c>B</c>, or <c>A⊗B</c> where it concerns both.</param>
/// <param name="Kind">What was done.</param>
public readonly record struct NumericalEvent(string Layer, string Factor, NumericalEventKind Kind);
