namespace KFac.Engine;

/// <summary>How K-FAC treats parameters without Kronecker structure: scales and shifts of norms, scalars.</summary>
public enum OtherParameterRule
{
    /// <summary>Their direction is the gradient: <c>ΔW = rate·∇W</c>.</summary>
    FirstOrder,

    /// <summary>The gradient over the root of its running second moment (Kingma and Ba 2015):
    /// <c>s ← β₂·s + (1−β₂)·∇W²; ΔW = rate·∇W/(√(s/(1−β₂^t)) + ε)</c>.</summary>
    Diagonal,
}

/// <summary>Settings of K-FAC for parameters without Kronecker structure. Momentum, weight decay and learning rate act on their direction
/// as on that of the others; KL clipping does not.</summary>
public sealed record OtherParameterOptions
{
    /// <summary>Which rule.</summary>
    public OtherParameterRule Rule { get; init; } = OtherParameterRule.FirstOrder;

    /// <summary>What the direction is multiplied by, which makes the learning rate of these parameters <c>rate·η</c>; above 0.</summary>
    public double Rate { get; init; } = 1;

    /// <summary>β₂ of the diagonal rule, from 0 to less than 1.</summary>
    public double SecondMomentDecay { get; init; } = 0.99;

    /// <summary>ε of the diagonal rule, above 0: gradients far below it move a parameter by less.</summary>
    public double Epsilon { get; init; } = 1e-8;

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        OptionCheck.Defined(Rule, $"OtherParameters.{nameof(Rule)}");
        OptionCheck.Positive(Rate, $"OtherParameters.{nameof(Rate)}");
        OptionCheck.InHalfOpenUnitInterval(SecondMomentDecay, $"OtherParameters.{nameof(SecondMomentDecay)}");
        OptionCheck.Positive(Epsilon, $"OtherParameters.{nameof(Epsilon)}");
    }
}
