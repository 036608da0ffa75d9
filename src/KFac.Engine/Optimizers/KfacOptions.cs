using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Settings of <see cref="KfacOptimizer"/>.</summary>
public sealed record KfacOptions : FactorOptions
{
    /// <summary>Steps between updates of the factors, at least 1. The first step always updates.</summary>
    public int FactorInterval { get; init; } = 1;

    /// <summary>Steps between inversions (FOOF's T), at least 1. The first step always inverts.</summary>
    public int InverseInterval { get; init; } = 1;

    /// <summary>FOOF's S: factors are updated only in the S steps that end with an inversion, S ≤ T; null updates by
    /// <see cref="FactorInterval"/>.</summary>
    public int? UpdatesBeforeInversion { get; init; }

    /// <summary>λ, at least 0.</summary>
    public double Damping { get; init; } = 1e-2;

    /// <summary>How λ enters; null is <see cref="DampingStyle.FactoredPi"/>, or <see cref="DampingStyle.InputOnly"/> for
    /// <see cref="CurvatureKind.ForwardOnly"/>, which takes no other.</summary>
    public DampingStyle? Style { get; init; }

    /// <summary>μ, from 0 to less than 1: <c>v ← μ·v + ΔW</c>.</summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>Whether the step looks ahead: <c>θ ← θ − η(ΔW + μ·v)</c> instead of <c>θ ← θ − η·v</c>.</summary>
    public bool Nesterov { get; init; }

    /// <summary>Weight decay; <c>decay·θ</c> is added after preconditioning.</summary>
    public double WeightDecay { get; init; }

    /// <summary>κ of KL clipping, which keeps steps in bounds while the model still changes fast; null leaves the update as it is.</summary>
    public double? KlClip { get; init; } = 1e-3;

    /// <summary>How parameters without Kronecker structure are treated.</summary>
    public OtherParameterOptions OtherParameters { get; init; } = new();

    /// <summary>Whether a gradient of few rows is preconditioned through them, <c>(B⁻¹Gᵀ)(X A⁻¹)</c>, where that costs less and the
    /// training pass delivered them to <see cref="IOptimizer.TrainingPassSink"/>. The update is the same up to rounding.</summary>
    public bool LowRankGradients { get; init; } = true;

    /// <summary>Whether factors of few rows are inverted through the small system of their rows
    /// (<see cref="DualInverse"/>), without being formed. Takes effect without a moving average, with damping above 0 of any style but
    /// <see cref="DampingStyle.Product"/>. The update is the same up to rounding.</summary>
    public bool DualInverses { get; init; } = true;

    /// <summary>Whether factors that few vectors meet between two inversions are factored, not inverted, and solved with
    /// (<see cref="CholeskySolve"/>), where the device gains by it. The update is the same up to rounding.</summary>
    public bool CholeskySolves { get; init; } = true;

    /// <summary>Seed of the Monte-Carlo samples; step k draws from a sequence of its own.</summary>
    public ulong Seed { get; init; }

    /// <summary>Called at every numerical event; null for no call. Events are counted in either case.</summary>
    public Action<NumericalEvent>? OnEvent { get; init; }

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        OptionCheck.AtLeast(FactorInterval, 1, nameof(FactorInterval));
        OptionCheck.AtLeast(InverseInterval, 1, nameof(InverseInterval));
        OptionCheck.NonNegative(Damping, nameof(Damping));
        OptionCheck.InHalfOpenUnitInterval(Momentum, nameof(Momentum));
        OptionCheck.NonNegative(WeightDecay, nameof(WeightDecay));
        ValidateUpdatesBeforeInversion();
        ValidateStyle();
        ArgumentNullException.ThrowIfNull(OtherParameters);
        OtherParameters.Validate();
        if (KlClip is { } clip)
        {
            OptionCheck.Positive(clip, nameof(KlClip));
        }
    }

    internal InverseOptions ToInverseOptions() => new()
    {
        Style = Style ?? (Kind == CurvatureKind.ForwardOnly ? DampingStyle.InputOnly : DampingStyle.FactoredPi),
        Damping = Damping,
        AcceptsRows = UsesDual,
        Uses = CholeskySolves ? InverseInterval : null,
        OnEvent = OnEvent,
    };

    /// <summary>Whether the other options let factors be given by their rows.</summary>
    internal bool UsesDual => DualInverses && MovingAverage == 0 && Damping > 0 && Style != DampingStyle.Product;

    private void ValidateUpdatesBeforeInversion()
    {
        if (UpdatesBeforeInversion is not { } updates)
        {
            return;
        }

        if (updates < 1 || updates > InverseInterval)
        {
            throw new ArgumentException(
                $"UpdatesBeforeInversion is {updates}; wanted 1 to InverseInterval, which is {InverseInterval}.");
        }

        if (FactorInterval != 1)
        {
            throw new ArgumentException(
                $"FactorInterval is {FactorInterval} and UpdatesBeforeInversion is {updates}; wanted only one of them set.");
        }
    }

    private void ValidateStyle()
    {
        if (Style is not { } style)
        {
            return;
        }

        OptionCheck.Defined(style, nameof(Style));
        if ((style == DampingStyle.InputOnly) != (Kind == CurvatureKind.ForwardOnly))
        {
            throw new ArgumentException(
                $"Style is {style} and Kind is {Kind}; wanted InputOnly exactly with ForwardOnly, which has no B.");
        }
    }
}
