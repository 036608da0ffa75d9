using Spectre.Console;
using Xunit;

namespace KFac.Cli.Tests;

public class ConsoleTextTests
{
    /// <summary>What is redirected is read by programs and pagers: every row is one line, however wide.</summary>
    [Fact]
    public void Redirected_tables_keep_their_natural_width()
    {
        using var writer = new StringWriter();
        IAnsiConsole console = ConsoleText.Open(writer);
        string wide = string.Join(' ', Enumerable.Range(0, 100).Select(static i => $"word{i}"));
        Table table = new Table().Border(TableBorder.Simple).AddColumns("operation", "shape");
        table.AddRow("convolution", wide);
        console.Write(table);
        console.WriteFields(("device", wide));
        console.WriteLine($"warning: {wide}");
        string[] lines = writer.ToString().Split(Environment.NewLine);
        Assert.Equal(3, lines.Count(line => line.Contains(wide, StringComparison.Ordinal)));
        Assert.Contains(lines, line => line.TrimStart().StartsWith("convolution", StringComparison.Ordinal) && line.TrimEnd().EndsWith(wide, StringComparison.Ordinal));
        Assert.DoesNotContain(lines, static line => line.Contains('…', StringComparison.Ordinal) || line.Contains('\x1b', StringComparison.Ordinal));
    }
}
