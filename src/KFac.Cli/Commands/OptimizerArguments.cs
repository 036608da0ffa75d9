using System.CommandLine;
using KFac.Engine;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>The options that choose an optimizer and its hyper-parameters. What is left out is the workload's own choice.</summary>
internal sealed class OptimizerArguments
{
    private readonly Option<string> _optimizer = OptionFactory.Choice(
        "--optimizer", "The optimizer.", "kfac", [.. OptimizerSettings.Names]);

    private readonly Option<string> _approx = OptionFactory.Choice("--approx", "Approximation of K-FAC and FOOF.", "expand", "expand", "reduce");

    private readonly Option<double?> _learningRate = OptionFactory.Positive(
        "--learning-rate", "η", "Learning rate, the peak of the schedule; this and the following are the workload's own where no default is shown.");

    private readonly Option<double?> _momentum = OptionFactory.Fraction("--momentum", "μ", "Momentum; Adam's β₁.");
    private readonly Option<double?> _weightDecay = OptionFactory.NonNegative("--weight-decay", "W", "Weight decay.");
    private readonly Option<double?> _damping = OptionFactory.NonNegative("--damping", "λ", "Damping of K-FAC and FOOF.");

    private readonly Option<string> _dampingStyle = OptionFactory.Choice(
        "--damping-style", "How λ enters K-FAC's inverse.", "pi", "pi", "factor", "product");

    private readonly Option<string> _curvature = OptionFactory.Choice(
        "--curvature", "Which output gradients go into K-FAC's B.", "mc", "exact", "mc", "empirical");

    private readonly Option<int?> _samples = OptionFactory.Count("--samples", "Monte-Carlo samples per loss term, with --curvature mc. One when absent.");

    private readonly Option<double?> _movingAverage = OptionFactory.Fraction("--moving-average", "M", "Moving average of the factors.");
    private readonly Option<int?> _factorInterval = OptionFactory.Count("--factor-interval", "Steps between updates of the factors.");
    private readonly Option<int?> _inverseInterval = OptionFactory.Count("--inverse-interval", "Steps between inversions of the factors, FOOF's T.");

    private readonly Option<int?> _updatesBeforeInversion = OptionFactory.Count(
        "--updates-before-inversion", "Update the factors only in the N steps that end with an inversion, FOOF's S; every step when absent.");

    private readonly Option<double?> _klClip = OptionFactory.Positive("--kl-clip", "κ", "KL clipping of the updates of K-FAC and FOOF.");

    private readonly Option<string?> _otherParameters = OptionFactory.OptionalChoice(
        "--other-parameters",
        "How K-FAC and FOOF take parameters without Kronecker structure: by their gradient, or that over the root of its second moment.",
        "first-order",
        "diagonal");

    private readonly Option<double?> _otherRate = OptionFactory.Positive(
        "--other-rate", "R", "Learning rate of those parameters over that of the others.");

    /// <summary>All of them, as they appear in the help.</summary>
    public IEnumerable<Option> Options =>
    [
        _optimizer, _approx, _learningRate, _momentum, _weightDecay, _damping, _dampingStyle, _curvature, _samples,
        _movingAverage, _factorInterval, _inverseInterval, _updatesBeforeInversion, _klClip, _otherParameters, _otherRate,
    ];

    private Option[] OfOutputGradients => [_dampingStyle, _curvature, _samples];

    private Option[] OfCurvature =>
    [
        _approx, _damping, .. OfOutputGradients, _movingAverage, _factorInterval, _inverseInterval, _updatesBeforeInversion, _klClip,
        _otherParameters, _otherRate,
    ];

    /// <summary>The workload's settings of the optimizer, with what was given in place of its own.</summary>
    /// <exception cref="ArgumentException">An option was given that the optimizer lacks.</exception>
    public OptimizerSettings Read(CommandContext context, Workload workload)
    {
        OptimizerKind kind = OptimizerSettings.Find(context.Required(_optimizer));
        RefuseForeign(context, kind);
        OptimizerSettings settings = workload.DefaultOptimizer(kind);
        return settings with
        {
            LearningRate = context.Get(_learningRate) ?? settings.LearningRate,
            Momentum = context.Get(_momentum) ?? settings.Momentum,
            WeightDecay = context.Get(_weightDecay) ?? settings.WeightDecay,
            Damping = context.Get(_damping) ?? settings.Damping,
            MovingAverage = context.Get(_movingAverage) ?? settings.MovingAverage,
            FactorInterval = context.Get(_factorInterval) ?? settings.FactorInterval,
            InverseInterval = context.Get(_inverseInterval) ?? settings.InverseInterval,
            UpdatesBeforeInversion = context.Get(_updatesBeforeInversion) ?? settings.UpdatesBeforeInversion,
            Samples = context.Get(_samples) ?? settings.Samples,
            KlClip = context.Get(_klClip) ?? settings.KlClip,
            OtherRate = context.Get(_otherRate) ?? settings.OtherRate,
            OtherParameters = context.Get(_otherParameters) switch
            {
                "diagonal" => OtherParameterRule.Diagonal,
                "first-order" => OtherParameterRule.FirstOrder,
                _ => settings.OtherParameters,
            },
            Approximation = context.Required(_approx) == "reduce" ? SharingApproximation.Reduce : SharingApproximation.Expand,
            DampingStyle = context.Required(_dampingStyle) switch
            {
                "factor" => DampingStyle.PerFactor,
                "product" => DampingStyle.Product,
                _ => DampingStyle.FactoredPi,
            },
            Curvature = context.Required(_curvature) switch
            {
                "exact" => CurvatureKind.Exact,
                "empirical" => CurvatureKind.Empirical,
                _ => CurvatureKind.MonteCarlo,
            },
        };
    }

    private void RefuseForeign(CommandContext context, OptimizerKind kind)
    {
        Option[] foreign = kind switch
        {
            OptimizerKind.Kfac => [],
            OptimizerKind.Foof => OfOutputGradients,
            _ => OfCurvature,
        };
        foreach (Option option in foreign.Where(context.IsGiven))
        {
            throw new ArgumentException($"{context.Required(_optimizer)} has no {option.Name}.");
        }

        if (context.IsGiven(_samples) && context.Required(_curvature) != "mc")
        {
            throw new ArgumentException($"--curvature {context.Required(_curvature)} has no {_samples.Name}.");
        }
    }
}
