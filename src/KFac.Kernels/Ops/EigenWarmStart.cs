namespace KFac.Kernels;

/// <summary>How an eigendecomposition was reached.</summary>
public enum EigenRoute
{
    /// <summary>From scratch, since no previous basis was given, or since the matrix is so small that nothing is faster.</summary>
    Decomposed,

    /// <summary>The previous basis still diagonalises the matrix; only the values are new.</summary>
    Kept,

    /// <summary>The previous basis was rotated.</summary>
    Refined,

    /// <summary>The matrix had moved too far, or the previous basis was not orthogonal: from scratch after all.</summary>
    FellBack,
}

/// <summary>How one item of <see cref="SymmetricEigen"/> was solved.</summary>
/// <param name="Route">The way taken.</param>
/// <param name="Steps">Rotations that were applied to the previous basis, those before falling back included.</param>
public readonly record struct EigenOutcome(EigenRoute Route, int Steps);

/// <summary>When a previous basis is good enough.</summary>
public sealed record EigenWarmStart
{
    /// <summary>The defaults.</summary>
    public static EigenWarmStart Default { get; } = new();

    /// <summary>What residual and orthogonality of a result may be at most, in units of n·ε; up to 25, since estimates of
    /// norms err by up to a factor of two and the contract is 50.</summary>
    public double Tolerance { get; init; } = 10;

    /// <summary>Keeps the previous basis while <c>‖VᵀAV − diag‖ ≤ KeepBelow·‖A‖</c> in the Frobenius norm, even where that
    /// is beyond <see cref="Tolerance"/>: the result is then not an eigendecomposition, but the best diagonal one in the
    /// previous basis, for the price of one matrix product. 0, the default, never does.</summary>
    public double KeepBelow { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        if (!(Tolerance is > 0 and <= 25))
        {
            throw new ArgumentException($"{nameof(Tolerance)} is {Tolerance}; wanted a number above 0, at most 25.");
        }

        if (!(KeepBelow is >= 0 and < 1))
        {
            throw new ArgumentException($"{nameof(KeepBelow)} is {KeepBelow}; wanted a number from 0 to 1, below 1.");
        }
    }
}
