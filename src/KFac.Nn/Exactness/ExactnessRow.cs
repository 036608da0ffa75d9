namespace KFac.Nn;

/// <summary>How far the two approximations are from the exact GGN of one layer.</summary>
/// <param name="Case">The case's name.</param>
/// <param name="Setting">The case's setting.</param>
/// <param name="Layer">The layer's name.</param>
/// <param name="ExpandError"><c>‖A⊗B − GGN‖_F / ‖GGN‖_F</c> of K-FAC-expand.</param>
/// <param name="ReduceError">The same of K-FAC-reduce.</param>
/// <param name="Exact">Which of them theory says are exact.</param>
/// <param name="MinimumInexactError">The least error expected of the others.</param>
public sealed record ExactnessRow(
    string Case,
    ExactnessSetting Setting,
    string Layer,
    double ExpandError,
    double ReduceError,
    ExactApproximations Exact,
    double MinimumInexactError)
{
    /// <summary>Whether expand is as near or as far as expected; NaN is neither.</summary>
    public bool ExpandPassed => Passed(ExpandError, ExactApproximations.Expand);

    /// <summary>Whether reduce is as near or as far as expected; NaN is neither.</summary>
    public bool ReducePassed => Passed(ReduceError, ExactApproximations.Reduce);

    private bool Passed(double error, ExactApproximations approximation) => Exact.HasFlag(approximation)
        ? error <= ExactnessCase.MaximumExactError
        : error >= MinimumInexactError;
}
