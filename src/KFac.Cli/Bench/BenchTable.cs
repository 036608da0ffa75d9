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
            ("memory", $"read {limits.ReadGBps.ToText()} GB/s, copy {limits.CopyGBps.ToText()} GB/s"));
        if (HasPeer(result))
        {
            console.WriteFields(("peer", $"{result.Results[0].Peer!.Name}; ratio: its time over ours"));
        }

        if (result.Results.Count > 0)
        {
            console.Write(Table(result));
        }
    }

    private static bool HasPeer(BenchResult result) => result.Results is [{ Peer: not null }, ..];

    private static Table Table(BenchResult result)
    {
        Table table = new Table().Border(TableBorder.Simple);
        table.AddColumn(new TableColumn("operation").NoWrap());
        table.AddColumn(new TableColumn("shape").NoWrap());
        (string Heading, Func<BenchMeasurement, string?> Text)[] figures =
            [.. Figures().Where(figure => result.Results.Any(each => figure.Text(each) is not null))];
        foreach ((string heading, _) in figures)
        {
            table.AddColumn(new TableColumn(heading).RightAligned().NoWrap());
        }

        foreach (BenchMeasurement each in result.Results)
        {
            string operation = each.Approximation is null ? each.Operation : $"{each.Operation} {each.Approximation}";
            table.AddRow([Markup.Escape(operation), Markup.Escape(each.Shape), .. figures.Select(figure => figure.Text(each) ?? string.Empty)]);
        }

        return table;
    }

    /// <summary>The columns of numbers; one that no result has is left out.</summary>
    private static (string Heading, Func<BenchMeasurement, string?> Text)[] Figures() =>
    [
        ("ms", static each => (each.MedianSeconds * 1e3).ToText()),
        ("GF/s", static each => each.Gflops?.ToText()),
        ("GB/s", static each => each.GBps?.ToText()),
        ("limit", static each => each.ShareOfLimit?.ToString("P0", CultureInfo.InvariantCulture)),
        ("peer ms", static each => (each.Peer?.MedianSeconds * 1e3)?.ToText()),
        ("ratio", static each => each.Peer?.Ratio.ToString("0.00", CultureInfo.InvariantCulture)),
    ];
}
