using System.Globalization;
using KFac.Engine;

namespace KFac.Nn;

/// <summary>The optimizers that training knows.</summary>
public enum OptimizerKind
{
    /// <summary>K-FAC, expand or reduce.</summary>
    Kfac,

    /// <summary>Forward-only curvature: B is the identity.</summary>
    Foof,

    /// <summary>Stochastic gradient descent with heavy-ball momentum.</summary>
    Sgd,

    /// <summary>Stochastic gradient descent with Nesterov momentum.</summary>
    Nesterov,

    /// <summary>Adam with decoupled weight decay.</summary>
    AdamW,

    /// <summary>AdamW with Nesterov momentum.</summary>
    NAdamW,
}

/// <summary>An optimizer and its hyper-parameters. What an optimizer does not have, it ignores.</summary>
public sealed record OptimizerSettings
{
    /// <summary>Which one.</summary>
    public required OptimizerKind Kind { get; init; }

    /// <summary>η, the peak of the schedule.</summary>
    public required double LearningRate { get; init; }

    /// <summary>μ; Adam's β₁.</summary>
    public double Momentum { get; init; } = 0.9;

    /// <summary>Weight decay, decoupled for AdamW and NAdamW.</summary>
    public double WeightDecay { get; init; }

    /// <summary>λ of K-FAC and FOOF.</summary>
    public double Damping { get; init; } = 1e-2;

    /// <summary>How λ enters K-FAC's inverse.</summary>
    public DampingStyle DampingStyle { get; init; } = DampingStyle.FactoredPi;

    /// <summary>Expand or reduce; the same thing on layers without weight sharing.</summary>
    public SharingApproximation Approximation { get; init; } = SharingApproximation.Expand;

    /// <summary>Which output gradients go into K-FAC's B.</summary>
    public CurvatureKind Curvature { get; init; } = CurvatureKind.MonteCarlo;

    /// <summary>Monte-Carlo samples per loss term.</summary>
    public int Samples { get; init; } = 1;

    /// <summary>m of the factors' moving average.</summary>
    public double MovingAverage { get; init; } = 0.95;

    /// <summary>Steps from one update of the factors to the next.</summary>
    public int FactorInterval { get; init; } = 1;

    /// <summary>Steps from one inversion of the factors to the next.</summary>
    public int InverseInterval { get; init; } = 10;

    /// <summary>FOOF's S, as <see cref="KfacOptions.UpdatesBeforeInversion"/>; null updates by <see cref="FactorInterval"/>.</summary>
    public int? UpdatesBeforeInversion { get; init; }

    /// <summary>κ of KL clipping; null for none.</summary>
    public double? KlClip { get; init; }

    /// <summary>How K-FAC and FOOF treat parameters without Kronecker structure.</summary>
    public OtherParameterRule OtherParameters { get; init; } = OtherParameterRule.FirstOrder;

    /// <summary>Learning rate of those parameters over η.</summary>
    public double OtherRate { get; init; } = 1;

    /// <summary>As on the command line and in results: <c>kfac</c>, <c>foof</c>, <c>sgd</c>, <c>nesterov</c>, <c>adamw</c>, <c>nadamw</c>.</summary>
    public string Name => NameOf(Kind);

    /// <summary>All names, in the order of <see cref="OptimizerKind"/>.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Enum.GetValues<OptimizerKind>().Select(NameOf)];

    /// <summary>Settings to begin with on a problem that nobody has tuned.</summary>
    public static OptimizerSettings UsualFor(OptimizerKind kind) => kind switch
    {
        OptimizerKind.Kfac => new OptimizerSettings
        {
            Kind = kind,
            LearningRate = 0.02,
            Momentum = 0.7,
            Damping = 0.03,
            InverseInterval = 5,
            KlClip = 1e-3,
            OtherParameters = OtherParameterRule.Diagonal,
            OtherRate = 0.1,
        },
        OptimizerKind.Foof => new OptimizerSettings { Kind = kind, LearningRate = 0.01, Damping = 0.1 },
        OptimizerKind.Sgd or OptimizerKind.Nesterov => new OptimizerSettings { Kind = kind, LearningRate = 0.05 },
        OptimizerKind.AdamW or OptimizerKind.NAdamW => new OptimizerSettings { Kind = kind, LearningRate = 1e-3 },
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Unknown optimizer."),
    };

    /// <summary>The optimizer of that name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists all.</exception>
    public static OptimizerKind Find(string name)
    {
        foreach (OptimizerKind kind in Enum.GetValues<OptimizerKind>())
        {
            if (NameOf(kind) == name)
            {
                return kind;
            }
        }

        throw new ArgumentException($"There is no optimizer '{name}'; wanted one of {string.Join(", ", Names)}.");
    }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        if (!Enum.IsDefined(Kind))
        {
            throw new ArgumentException($"The optimizer is {Kind}; wanted one of {string.Join(", ", Names)}.");
        }

        Require(LearningRate > 0, "learning rate", LearningRate, "a finite number above 0");
        Require(Momentum is >= 0 and < 1, "momentum", Momentum, "at least 0 and less than 1");
        Require(WeightDecay >= 0, "weight decay", WeightDecay, "a finite number, at least 0");
        Require(Damping >= 0, "damping", Damping, "a finite number, at least 0");
        Require(MovingAverage is >= 0 and < 1, "moving average", MovingAverage, "at least 0 and less than 1");
        Require(FactorInterval >= 1, "factor interval", FactorInterval, "at least 1");
        Require(InverseInterval >= 1, "inverse interval", InverseInterval, "at least 1");
        Require(Samples >= 1, "number of samples", Samples, "at least 1");
        Require(
            UpdatesBeforeInversion is not { } updates || (updates >= 1 && updates <= InverseInterval && FactorInterval == 1),
            "number of updates before an inversion",
            UpdatesBeforeInversion ?? 0,
            "1 up to the inverse interval, and a factor interval of 1");
        Require(OtherRate > 0, "rate of other parameters", OtherRate, "a finite number above 0");
        Require(KlClip is null or > 0, "KL clip", KlClip ?? 0, "a finite number above 0");
    }

    /// <summary>Every setting as <c>name=value</c>.</summary>
    internal IReadOnlyList<string> Describe() =>
    [
        $"optimizer={Name}",
        Line($"learning rate={LearningRate}"),
        Line($"momentum={Momentum}"),
        Line($"weight decay={WeightDecay}"),
        Line($"damping={Damping}"),
        Line($"damping style={DampingStyle}"),
        Line($"approximation={Approximation}"),
        Line($"curvature={Curvature}"),
        Line($"moving average={MovingAverage}"),
        Line($"factor interval={FactorInterval}"),
        Line($"inverse interval={InverseInterval}"),
        Line($"updates before inversion={UpdatesBeforeInversion}"),
        Line($"samples={Samples}"),
        Line($"KL clip={KlClip}"),
        Line($"other parameters={OtherParameters}"),
        Line($"rate of other parameters={OtherRate}"),
    ];

    private static string Line(FormattableString text) => FormattableString.Invariant(text);

    private static string NameOf(OptimizerKind kind) => kind.ToString().ToLowerInvariant();

    private static void Require(bool isValid, string name, double value, string wanted)
    {
        if (!isValid || !double.IsFinite(value))
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"The {name} is {value}; wanted {wanted}."));
        }
    }
}
