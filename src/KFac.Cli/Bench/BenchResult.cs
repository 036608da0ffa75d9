using System.Text.Json.Serialization;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>Result of every <c>kfac bench</c> command.</summary>
/// <param name="Environment">Where and how it was measured; only in the file of <c>--out</c>.</param>
/// <param name="Warnings">What makes the figures worse than they could be, ours or the peer's.</param>
internal sealed record BenchResult(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] BenchEnvironment? Environment,
    string Device,
    int Threads,
    MachineLimits Limits,
    IReadOnlyList<string> Warnings,
    IReadOnlyList<BenchMeasurement> Results);

/// <summary>One case of a <see cref="BenchResult"/>.</summary>
/// <param name="Approximation"><c>expand</c> or <c>reduce</c>; null where it does not apply.</param>
/// <param name="MedianSeconds">Median over rounds of the median call of a round.</param>
/// <param name="Gflops">10⁹ operations a second, counting those that the task needs; null where there is no agreed count.</param>
/// <param name="GBps">10⁹ bytes a second, counting what must be read and written once; null where memory is not what limits.</param>
/// <param name="Limit"><see cref="MachineLimits.Gflops"/>, or where <see cref="GBps"/> is given <see cref="MachineLimits.ReadGBps"/>;
/// element-wise operations that write are held against <see cref="MachineLimits.CopyGBps"/>, those that only write against
/// <see cref="MachineLimits.WriteGBps"/>. The best of the rounds of this case. Null without either.</param>
/// <param name="ShareOfLimit">The rate over the limit.</param>
/// <param name="Error">Root mean square of the distance from float64, in units of 2⁻²⁴ and of the sum of the terms' magnitudes;
/// null without <c>--errors</c>.</param>
/// <param name="Peer">Null without <c>--against</c>.</param>
/// <param name="Phases">Parts of a training step, see <see cref="KFac.Engine.StepPhase"/>; left out without <c>--phases</c>.</param>
internal sealed record BenchMeasurement(
    string Operation,
    string Shape,
    string? Approximation,
    double MedianSeconds,
    double? Gflops,
    double? GBps,
    double? Limit,
    double? ShareOfLimit,
    double? Error,
    PeerMeasurement? Peer,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] IReadOnlyList<PhaseMeasurement>? Phases)
{
    public static BenchMeasurement Of(BenchCase each, double seconds, MachineLimits limits, double? error, PeerMeasurement? peer)
    {
        double? gflops = each.Operations / seconds * 1e-9;
        double? gBps = each.Bytes / seconds * 1e-9;
        double? limit = gBps is not null ? each.MemoryLimit(limits) : gflops is not null ? limits.Gflops : null;
        double? share = (gBps ?? gflops) / limit;
        return new BenchMeasurement(each.Operation, each.Shape, each.Approximation, seconds, gflops, gBps, limit, share, error, peer, each.Phases);
    }
}

/// <summary>One part of a case.</summary>
/// <param name="MedianSeconds">Of one unit of work, median over runs.</param>
internal sealed record PhaseMeasurement(string Phase, double MedianSeconds);

/// <summary>The peer on the same case, in rounds between ours.</summary>
/// <param name="Form">Which way of doing it was timed, where the peer has several; else null.</param>
/// <param name="Ratio">The peer's time over ours: above 1 where we are faster.</param>
/// <param name="Error">As <see cref="BenchMeasurement.Error"/>, of the peer's result from numbers of the same distribution.</param>
internal sealed record PeerMeasurement(string Name, string? Form, double MedianSeconds, double Ratio, double? Error);
