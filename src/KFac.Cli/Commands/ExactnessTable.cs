using System.Globalization;
using KFac.Nn;
using Spectre.Console;

namespace KFac.Cli;

/// <summary>Prints the result of <see cref="ExactnessCommand"/> for people: a table per case, then the verdict.</summary>
internal static class ExactnessTable
{
    public static void Print(
        IAnsiConsole console, IReadOnlyList<ExactnessCase> cases, IReadOnlyList<ExactnessRow> rows, ExactnessResult result)
    {
        foreach (ExactnessCase each in cases)
        {
            console.MarkupLine($"[bold]{Markup.Escape(each.Name)}[/]: {Markup.Escape(each.Description)}");
            Table table = new Table().Border(TableBorder.None);
            foreach (string heading in (string[])["  layer", "expand", "expected", "reduce", "expected", ""])
            {
                table.AddColumn(new TableColumn($"[grey]{heading}[/]").PadRight(3));
            }

            foreach (ExactnessRow row in rows.Where(row => row.Case == each.Name))
            {
                table.AddRow(
                    $"  {Markup.Escape(row.Layer)}",
                    Number(row.ExpandError),
                    Expected(row, ExactApproximations.Expand),
                    Number(row.ReduceError),
                    Expected(row, ExactApproximations.Reduce),
                    row.ExpandPassed && row.ReducePassed ? "[green]pass[/]" : "[red]FAIL[/]");
            }

            console.Write(table);
            console.WriteLine();
        }

        console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{rows.Count} layers on {result.Device}, seed {result.Seed}: {(result.Passed ? "all as theory says" : "not all as theory says")} (exact: relative Frobenius error at most {result.MaximumExactError:0e+0})."));
        foreach (string figure in result.Figures)
        {
            console.WriteLine($"Wrote {figure}");
        }
    }

    private static string Number(double error) => error.ToString("0.0e+00", CultureInfo.InvariantCulture);

    private static string Expected(ExactnessRow row, ExactApproximations approximation) => row.Exact.HasFlag(approximation)
        ? "exact"
        : string.Create(CultureInfo.InvariantCulture, $"≥ {row.MinimumInexactError:0.##}");
}
