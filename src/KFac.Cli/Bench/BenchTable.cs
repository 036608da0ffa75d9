using System.Globalization;
using KFac.Kernels;
using Spectre.Console;

namespace KFac.Cli;

/// <summary>Prints a <see cref="BenchResult"/> for people.</summary>
internal static class BenchTable
{
    public static void Print(IAnsiConsole console, BenchResult result)
    {
        MachineLimits limits = result.Limits;
        console.WriteFields(
            ("device", $"{result.Device}, threads: {result.Threads}"),
            ("multiply-add", $"{limits.Gflops.ToText()} GF/s, one thread {limits.SingleThreadGflops.ToText()} GF/s"),
            ("memory", $"read {limits.ReadGBps.ToText()} GB/s, copy {limits.CopyGBps.ToText()} GB/s, write {limits.WriteGBps.ToText()} GB/s"));
        if (limits.TensorGflops is { } tensor)
        {
            console.WriteFields(("tensor cores", $"{tensor.ToText()} GF/s in TF32"));
        }

        foreach (string warning in limits.BusyWarning(result.Threads) is string busy ? [busy] : Array.Empty<string>())
        {
            console.WriteLine($"warning: {warning}");
        }

        if (HasPeer(result))
        {
            console.WriteFields(("peer", $"{result.Results[0].Peer!.Name}; ratio: its time over ours"));
        }

        if (result.Results.Count > 0)
        {
            console.Write(Table(result));
        }

        if (result.Results is [{ Phases: not null }, ..])
        {
            console.Write(PhaseTable(result));
        }
    }

    /// <summary>Parts in rows and steps in columns, which are more than one line of a terminal holds.</summary>
    private static Table PhaseTable(BenchResult result)
    {
        Table table = new Table().Border(TableBorder.Simple);
        table.AddColumn(Column("ms"));
        foreach (BenchMeasurement each in result.Results)
        {
            string name = each.Operation.Replace("step ", string.Empty, StringComparison.Ordinal);
            table.AddColumn(new TableColumn(Markup.Escape($"{name} {each.Approximation}")).RightAligned());
        }

        IReadOnlyList<PhaseMeasurement> phases = result.Results[0].Phases!;
        for (int phase = 0; phase < phases.Count; phase++)
        {
            int row = phase;
            table.AddRow([phases[row].Phase, .. result.Results.Select(each => ThreeDigits(each.Phases![row].MedianSeconds * 1e3))]);
        }

        return table;
    }

    private static bool HasPeer(BenchResult result) => result.Results is [{ Peer: not null }, ..];

    private static Table Table(BenchResult result)
    {
        Table table = new Table().Border(TableBorder.Simple);
        table.AddColumn(Column("operation"));
        table.AddColumn(Column("shape"));
        (string Heading, Func<BenchMeasurement, string?> Text)[] figures =
            [.. Figures().Where(figure => result.Results.Any(each => figure.Text(each) is not null))];
        foreach ((string heading, _) in figures)
        {
            table.AddColumn(Column(heading).RightAligned());
        }

        foreach (BenchMeasurement each in result.Results)
        {
            string operation = each.Approximation is null ? each.Operation : $"{each.Operation} {each.Approximation}";
            table.AddRow([Markup.Escape(operation), Markup.Escape(each.Shape), .. figures.Select(figure => figure.Text(each) ?? string.Empty)]);
        }

        return table;
    }

    private static TableColumn Column(string heading) => new TableColumn(heading).Padding(0, 0).NoWrap();

    /// <summary>More would be noise, and would not fit into 80 columns.</summary>
    private static string ThreeDigits(double value) => value < 1000 ? value.ToString("G3", CultureInfo.InvariantCulture) : value.ToString("F0", CultureInfo.InvariantCulture);

    /// <summary>The columns of numbers; one that no result has is left out.</summary>
    private static (string Heading, Func<BenchMeasurement, string?> Text)[] Figures() =>
    [
        ("ms", static each => ThreeDigits(each.MedianSeconds * 1e3)),
        ("rate", static each => each.GBps is double gBps ? $"{ThreeDigits(gBps)} GB/s" : each.Gflops is double gflops ? $"{ThreeDigits(gflops)} GF/s" : null),
        ("limit", static each => each.ShareOfLimit?.ToString("0%", CultureInfo.InvariantCulture)),
        ("error", static each => each.Error is double error ? ThreeDigits(error) : null),
        ("form", static each => each.Peer?.Form),
        ("peer ms", static each => each.Peer is { } peer ? ThreeDigits(peer.MedianSeconds * 1e3) : null),
        ("ratio", static each => each.Peer?.Ratio.ToString("0.00", CultureInfo.InvariantCulture)),
        ("peer error", static each => each.Peer?.Error is double error ? ThreeDigits(error) : null),
    ];
}
