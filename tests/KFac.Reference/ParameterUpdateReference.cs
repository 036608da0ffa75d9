namespace KFac.Reference;

/// <summary>One step of the optimizers' updates, element by element.</summary>
public static class ParameterUpdateReference
{
    /// <summary><c>g' = g + wd·θ; v ← μ·v + g'; θ ← θ − η·v</c>, or <c>θ − η·(g' + μ·v)</c>: returns v and θ.</summary>
    public static (double Velocity, double Parameter) Momentum(
        double gradient, double velocity, double parameter, double rate, double momentum, double weightDecay, bool nesterov)
    {
        double g = gradient + (weightDecay * parameter);
        double v = (momentum * velocity) + g;
        return (v, parameter - (rate * (nesterov ? g + (momentum * v) : v)));
    }

    /// <summary><c>m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; θ ← (1−η·wd)θ − η·(c₁·m + c_g·g)/(√(c₂·v) + ε)</c>.</summary>
    public static (double First, double Second, double Parameter) Adam(
        double gradient,
        double first,
        double second,
        double parameter,
        (double Rate, double Beta1, double Beta2, double Epsilon, double WeightDecay) options,
        (double First, double Gradient, double Second) corrections)
    {
        double m = (options.Beta1 * first) + ((1 - options.Beta1) * gradient);
        double v = (options.Beta2 * second) + ((1 - options.Beta2) * gradient * gradient);
        double direction = ((corrections.First * m) + (corrections.Gradient * gradient))
            / (Math.Sqrt(corrections.Second * v) + options.Epsilon);
        return (m, v, ((1 - (options.Rate * options.WeightDecay)) * parameter) - (options.Rate * direction));
    }
}
