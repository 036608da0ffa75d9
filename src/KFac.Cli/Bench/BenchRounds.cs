using System.Diagnostics;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>Times cases in rounds, the machine's limits and the peer's rounds between ours, so that all see the same machine.</summary>
/// <param name="stream">What the cases give their work to; its clock counts.</param>
/// <param name="limits">Restarted for each case.</param>
/// <param name="count">Rounds, after one to warm up.</param>
/// <param name="seconds">Least length of a round; one run at least.</param>
internal sealed class BenchRounds(
    DeviceStream stream, LimitMeter limits, int count, double seconds, PeerProcess? peer, CancellationToken cancellation)
{
    /// <summary>Threads of the peer look for more work for some milliseconds after a round, and would take a core from ours.</summary>
    private static readonly TimeSpan _peerSettles = TimeSpan.FromMilliseconds(20);

    /// <returns>Seconds of one unit of work, medians over rounds; the peer's is null without one. The limits are the best of the rounds.</returns>
    public (double Ours, double? Peer, MachineLimits Limits) Measure(BenchCase each)
    {
        var ours = new double[count];
        var peers = new double[count];
        PeerProcess? other = peer?.Prepare(each) == true ? peer : null;
        limits.Restart();
        Round(each);
        RoundOf(other);
        for (int round = 0; round < count; round++)
        {
            limits.Round();
            ours[round] = Round(each);
            peers[round] = RoundOf(other);
        }

        limits.Round();

        return (Median(ours) / each.UnitsPerRun, other is null ? null : Median(peers) / each.UnitsPerRun, limits.Best);
    }

    /// <summary>The middle value; of two in the middle their mean.</summary>
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        return (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    private double RoundOf(PeerProcess? other)
    {
        if (other is null)
        {
            return 0;
        }

        double time = other.Round(seconds);
        cancellation.WaitHandle.WaitOne(_peerSettles);
        return time;
    }

    private double Round(BenchCase each)
    {
        var times = new List<double>();
        long start = Stopwatch.GetTimestamp();
        Action run = each.Run;
        do
        {
            cancellation.ThrowIfCancellationRequested();
            times.Add(stream.Time(run));
        }
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds);

        each.Check();
        return Median(times);
    }
}
