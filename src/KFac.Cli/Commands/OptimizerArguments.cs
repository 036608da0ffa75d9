using System.CommandLine;
using KFac.Engine;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>The options that choose an optimizer and its hyper-parameters. What is left out is the workload's own choice.</summary>
internal sealed class OptimizerArguments
{
    private readonly Option<string> _optimizer = OptionFactory.Choice(
        "--optimizer", "The optimizer.", "kfac", [.. OptimizerSettings.Names]);

    private readonly Option<string> _approx = OptionFactory.Choice("--approx", "K-FAC's approximation.", "expand", "expand", "reduce");
    private readonly Option<double?> _learningRate = OptionFactory.Positive("--learning-rate", "η", "Learning rate, the peak of the schedule.");
    private readonly Option<double?> _momentum = OptionFactory.Fraction("--momentum", "μ", "Momentum; Adam's β₁.");
    private readonly Option<double?> _weightDecay = OptionFactory.NonNegative("--weight-decay", "W", "Weight decay.");
    private readonly Option<double?> _damping = OptionFactory.NonNegative("--damping", "λ", "Damping of K-FAC and FOOF.");

    private readonly Option<string> _dampingStyle = OptionFactory.Choice(
        "--damping-style", "How λ enters K-FAC's inverse.", "pi", "pi", "factor", "product");

    private readonly Option<string> _curvature = OptionFactory.Choice(
        "--curvature", "Which output gradients go into K-FAC's B.", "mc", "exact", "mc", "empirical");

    private readonly Option<double?> _movingAverage = OptionFactory.Fraction("--moving-average", "M", "Moving average of the factors.");
    private readonly Option<int?> _factorInterval = OptionFactory.Count("--factor-interval", "Steps between updates of the factors.");
    private readonly Option<int?> _inverseInterval = OptionFactory.Count("--inverse-interval", "Steps between inversions of the factors.");
    private readonly Option<double?> _klClip = OptionFactory.Positive("--kl-clip", "κ", "KL clipping of K-FAC's updates.");

    private readonly Option<string?> _otherParameters = OptionFactory.OptionalText(
        "--other-parameters",
        "K-FAC's rule for parameters without Kronecker structure: their gradient, or that over the root of its second moment; the workload's own when absent.",
        static text => text is "first-order" or "diagonal" ? text : null,
        "first-order or diagonal");

    private readonly Option<double?> _otherRate = OptionFactory.Positive(
        "--other-rate", "R", "Learning rate of those parameters over that of the others.");

    /// <summary>All of them, as they appear in the help.</summary>
    public IEnumerable<Option> Options =>
    [
        _optimizer, _approx, _learningRate, _momentum, _weightDecay, _damping, _dampingStyle, _curvature,
        _movingAverage, _factorInterval, _inverseInterval, _klClip, _otherParameters, _otherRate,
    ];

    /// <summary>The workload's settings of the optimizer, with what was given in place of its own.</summary>
    public OptimizerSettings Read(CommandContext context, Workload workload)
    {
        OptimizerKind kind = OptimizerSettings.Find(context.Required(_optimizer));
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
}
