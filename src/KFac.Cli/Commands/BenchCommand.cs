using System.CommandLine;
using System.Text.Json;
using KFac.Kernels;
using Spectre.Console;

namespace KFac.Cli;

/// <summary>A command of <c>kfac bench</c>: times cases, against the machine's measured limits and, with <c>--against</c>, a peer.</summary>
/// <remarks>JSON: <c>{device, threads, limits:{gflops, singleThreadGflops, readGBps, copyGBps, writeGBps, tensorGflops}, warnings, results:[{operation, shape,
/// approximation, medianSeconds, gflops, gBps, limit, shareOfLimit, error, peer:{name, form, medianSeconds, ratio, error}}]}</c>; what does not apply
/// is null, see <see cref="BenchMeasurement"/>. The file of <c>--out</c> holds the same and <c>environment</c>.</remarks>
internal abstract class BenchCommand : KfacCommand
{
    private readonly Option<string?> _out = OptionFactory.OptionalPath(
        "--out", "Write the result as JSON with its environment: processor, versions, date, command.");

    private readonly Option<string?> _against = new("--against")
    {
        Description = "Python interpreter with PyTorch to compare with, in alternating rounds. Its OpenBLAS is at its best with "
            + "OPENBLAS_CORETYPE=SkylakeX (on AVX-512) and the OpenMP build first in LD_LIBRARY_PATH.",
        HelpName = "PYTHON",
    };

    private readonly Option<int> _rounds = OptionFactory.Number(
        "--rounds", "N", "Rounds; their median counts.", 9, static value => value is >= 1 and <= 10_000, "a whole number from 1 to 10000");

    private readonly Option<double> _seconds = OptionFactory.Number(
        "--round-seconds", "S", "Least length of a round.", 0.2, static value => value is >= 0 and <= 3600, "a number from 0 to 3600");

    private readonly Option<bool> _errors = new("--errors")
    {
        Description = "Also compare products with float64, ours and the peer's: root mean square in units of 2⁻²⁴.",
    };

    /// <param name="hasCases">Whether there is something to time besides the limits.</param>
    /// <param name="hasErrors">Whether some of the cases are compared with float64.</param>
    protected BenchCommand(string name, string description, bool hasCases = true, bool hasErrors = false)
        : base(name, description)
    {
        Add(_out);
        if (hasCases)
        {
            Add(_against);
            Add(_rounds);
            Add(_seconds);
        }

        if (hasErrors)
        {
            Add(_errors);
        }
    }

    /// <inheritdoc/>
    public override int Run(CommandContext context)
    {
        string? target = context.Get(_out);
        using OutputFiles? files = target is null ? null : OutputFiles.For(target);
        IReadOnlyList<Func<Device, BenchCase>> cases = Cases(context);
        using Device device = context.OpenDevice();
        using PeerProcess? peer = context.Get(_against) is string python ? PeerProcess.Start(python, device, context.Precision, context.Cancellation) : null;
        foreach (string warning in peer?.Warnings ?? [])
        {
            context.Progress.Profile.Out.Writer.WriteLine($"warning: {warning}");
        }

        using var meter = new LimitMeter(device);
        MachineLimits limits = meter.Measure(context.Cancellation);
        var rounds = new BenchRounds(device.DefaultStream, meter, context.Get(_rounds), context.Get(_seconds), peer, context.Cancellation);
        string[] warnings = [.. limits.BusyWarning(device.Threads) is string busy ? [busy] : Array.Empty<string>(), .. peer?.Warnings ?? []];
        var result = new BenchResult(null, device.Name, device.Threads, limits, warnings, Measure(context, cases, device, rounds, peer));
        if (target is not null)
        {
            BenchResult documented = result with { Environment = BenchEnvironment.Read(device, context.CommandText) };
            files!.Write(target, stream => JsonSerializer.Serialize(stream, documented, CliJson.Indented.BenchResult));
            files.Commit();
        }

        context.Report(result, CliJson.Default.BenchResult, console => BenchTable.Print(console, result));
        return ExitCode.Success;
    }

    /// <summary>The cases that the options name, each prepared only when its turn comes.</summary>
    protected abstract IReadOnlyList<Func<Device, BenchCase>> Cases(CommandContext context);

    /// <summary>Whether there is a peer to compare with.</summary>
    protected bool HasPeer(CommandContext context) => context.IsGiven(_against);

    private List<BenchMeasurement> Measure(
        CommandContext context,
        IReadOnlyList<Func<Device, BenchCase>> cases,
        Device device,
        BenchRounds rounds,
        PeerProcess? peer)
    {
        var results = new List<BenchMeasurement>();
        foreach (Func<Device, BenchCase> prepare in cases)
        {
            using BenchCase each = prepare(device);
            if (each.PeerForm is string form && peer?.Lacks.Contains(form) == true)
            {
                continue;
            }

            if (context.Progress.Profile.Out.IsTerminal)
            {
                context.Progress.WriteLine($"{results.Count + 1}/{cases.Count} {each.Operation} {each.Shape} {each.Approximation}");
            }

            (double seconds, double? peerSeconds, MachineLimits limits) = rounds.Measure(each);
            double? error = context.IsGiven(_errors) ? each.MeasureError() : null;
            PeerMeasurement? theirs = peerSeconds is double time
                ? new PeerMeasurement(peer!.Name, each.PeerForm, time, time / seconds, error is null ? null : peer.MeasureError())
                : null;
            results.Add(BenchMeasurement.Of(each, seconds, limits, error, theirs));
        }

        return results;
    }
}
