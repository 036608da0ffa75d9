using System.Globalization;
using KFac.Engine;

namespace KFac.Cli;

/// <summary>What <see cref="StepCase"/> times: SGD, or K-FAC with some interval, approximation and moving average.</summary>
/// <param name="Interval">Steps from one update of factors and inverses to the next; 0 for SGD.</param>
/// <param name="Approximation">Expand or reduce; null for layers without weight sharing, where they are the same, and for SGD.</param>
/// <param name="MovingAverage">m; 0 for factors of the current mini-batch alone.</param>
internal sealed record StepVariant(int Interval, SharingApproximation? Approximation, double MovingAverage)
{
    private const double Average = 0.95;

    public string Name => Interval == 0
        ? "step sgd"
        : string.Create(CultureInfo.InvariantCulture, $"step kfac every {Interval}{(MovingAverage == 0 ? " no average" : string.Empty)}");

    /// <summary>Whether the peer's step is the same: it always averages.</summary>
    public bool HasPeer => Interval == 0 || MovingAverage > 0;

    /// <summary>SGD, K-FAC every step and every tenth. A model that shares no weights has few rows, so that it is worth timing without
    /// moving averages, too; one that does is timed with either approximation.</summary>
    public static IReadOnlyList<StepVariant> All(bool sharesWeights)
    {
        SharingApproximation?[] approximations = sharesWeights ? [SharingApproximation.Reduce, SharingApproximation.Expand] : [null];
        double[] averages = sharesWeights ? [Average] : [Average, 0];
        return
        [
            new StepVariant(0, null, 0),
            .. from average in averages
               from interval in (int[])[1, 10]
               from approximation in approximations
               select new StepVariant(interval, approximation, average),
        ];
    }

    public KfacOptions Options(ulong seed) => new()
    {
        Kind = CurvatureKind.MonteCarlo,
        Approximation = Approximation,
        Style = DampingStyle.FactoredPi,
        MovingAverage = MovingAverage,
        FactorInterval = Interval,
        InverseInterval = Interval,
        Damping = 1e-2,
        KlClip = null,
        Seed = seed,
    };
}
