namespace KFac.Engine;

/// <summary>η of every step.</summary>
public abstract record LearningRateSchedule
{
    /// <summary>η of step <paramref name="step"/>, counted from 0.</summary>
    public abstract double At(long step);

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public abstract void Validate();
}

/// <summary>The same rate at every step.</summary>
/// <param name="Rate">η, at least 0.</param>
public sealed record ConstantSchedule(double Rate) : LearningRateSchedule
{
    /// <inheritdoc/>
    public override double At(long step) => Rate;

    /// <inheritdoc/>
    public override void Validate() => OptionCheck.NonNegative(Rate, nameof(Rate));
}

/// <summary>Linear warm-up to a peak, then a decay to a final rate, which then stays.</summary>
/// <param name="Peak">Highest rate, reached at the last step of the warm-up.</param>
/// <param name="WarmupSteps">W: step k &lt; W has the rate <c>Peak·(k + 1)/W</c>.</param>
/// <param name="TotalSteps">T, more than W: from step T on the rate is <paramref name="Final"/>.</param>
/// <param name="Final">Rate after the decay.</param>
public abstract record WarmupSchedule(double Peak, long WarmupSteps, long TotalSteps, double Final) : LearningRateSchedule
{
    /// <inheritdoc/>
    public sealed override double At(long step)
    {
        if (step < WarmupSteps)
        {
            return Peak * (step + 1) / WarmupSteps;
        }

        double progress = Math.Min(1, (double)(step - WarmupSteps) / (TotalSteps - WarmupSteps));
        return Final + ((Peak - Final) * Remaining(progress));
    }

    /// <inheritdoc/>
    public override void Validate()
    {
        OptionCheck.NonNegative(Peak, nameof(Peak));
        OptionCheck.NonNegative(Final, nameof(Final));
        OptionCheck.AtLeast(WarmupSteps, 0, nameof(WarmupSteps));
        OptionCheck.AtLeast(TotalSteps, WarmupSteps + 1, nameof(TotalSteps));
    }

    /// <summary>What is left of the way from final rate to peak: 1 at progress 0, 0 at progress 1.</summary>
    protected abstract double Remaining(double progress);
}

/// <summary>Linear warm-up, then half a cosine.</summary>
/// <inheritdoc cref="WarmupSchedule"/>
public sealed record WarmupCosineSchedule(double Peak, long WarmupSteps, long TotalSteps, double Final = 0)
    : WarmupSchedule(Peak, WarmupSteps, TotalSteps, Final)
{
    /// <inheritdoc/>
    protected override double Remaining(double progress) => 0.5 * (1 + Math.Cos(Math.PI * progress));
}

/// <summary>Linear warm-up, then a linear decay.</summary>
/// <inheritdoc cref="WarmupSchedule"/>
public sealed record WarmupLinearSchedule(double Peak, long WarmupSteps, long TotalSteps, double Final = 0)
    : WarmupSchedule(Peak, WarmupSteps, TotalSteps, Final)
{
    /// <inheritdoc/>
    protected override double Remaining(double progress) => 1 - progress;
}

/// <summary>Linear warm-up, then <c>(1 − progress)^power</c>.</summary>
/// <inheritdoc cref="WarmupSchedule"/>
/// <param name="Power">Above 0; 1 is the linear decay.</param>
public sealed record WarmupPolynomialSchedule(double Peak, long WarmupSteps, long TotalSteps, double Power, double Final = 0)
    : WarmupSchedule(Peak, WarmupSteps, TotalSteps, Final)
{
    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        OptionCheck.Positive(Power, nameof(Power));
    }

    /// <inheritdoc/>
    protected override double Remaining(double progress) => Math.Pow(1 - progress, Power);
}
