using System.Globalization;
using Spectre.Console;

namespace KFac.Cli;

/// <summary>How results look to people: two columns, numbers with four digits.</summary>
internal static class ConsoleText
{
    /// <summary>Wider than any table.</summary>
    private const int UnfoldedWidth = 1 << 14;

    /// <summary>A console that folds lines to a terminal's width; what goes to a file or a pipe keeps its natural width.</summary>
    public static IAnsiConsole Open(TextWriter writer)
    {
        var target = new AnsiConsoleOutput(writer);
        AnsiSupport ansi = target.IsTerminal ? AnsiSupport.Detect : AnsiSupport.No;
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = target, Ansi = ansi });
        if (!target.IsTerminal)
        {
            console.Profile.Width = UnfoldedWidth;
        }

        return console;
    }

    /// <summary>One line a field, names aligned.</summary>
    public static void WriteFields(this IAnsiConsole console, params ReadOnlySpan<(string Name, string Value)> fields)
    {
        Grid grid = new Grid().AddColumn(new GridColumn().NoWrap()).AddColumn(new GridColumn().NoWrap());
        foreach ((string name, string value) in fields)
        {
            grid.AddRow(new Text(name), new Text(value));
        }

        console.Write(grid);
    }

    /// <summary>Four significant digits.</summary>
    public static string ToText(this double value) => value.ToString("G4", CultureInfo.InvariantCulture);

    /// <inheritdoc cref="ToText(double)"/>
    public static string ToText(this float value) => value.ToString("G4", CultureInfo.InvariantCulture);
}
