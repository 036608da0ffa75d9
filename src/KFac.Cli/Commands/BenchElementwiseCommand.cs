using System.CommandLine;
using System.Globalization;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>kfac bench elementwise</c>: operations that memory limits, against the bandwidth of what they read and write.</summary>
internal sealed class BenchElementwiseCommand : BenchCommand
{
    private const string AllOperations = "all";

    private readonly Option<ElementwiseShape[]> _shapes = OptionFactory.Repeated(
        "--shape",
        "ROWS,COLUMNS",
        "Rows and columns of every operand; may be repeated.",
        [ElementwiseShape.Default],
        Parse,
        "two whole numbers from 1 with a comma between, ROWS·COLUMNS below 2³¹");

    private readonly Option<string[]> _operations = OptionFactory.Choices(
        "--operation",
        "NAME",
        "One operation only; may be repeated.",
        AllOperations,
        [.. ElementwiseOperation.All.Select(static each => each.Name), AllOperations]);

    public BenchElementwiseCommand()
        : base("elementwise", "Time operations that memory limits: element-wise, losses, reductions, updates, random numbers.")
    {
        Add(_shapes);
        Add(_operations);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Func<Device, BenchCase>> Cases(CommandContext context)
    {
        string[] names = context.Required(_operations);
        IReadOnlyList<ElementwiseOperation> operations = names.Contains(AllOperations)
            ? ElementwiseOperation.All
            : [.. names.Select(static name => ElementwiseOperation.Find(name)!.Value)];
        return
        [
            .. from shape in context.Required(_shapes)
               from operation in operations
               select (Func<Device, BenchCase>)(device => new ElementwiseCase(device, operation, shape, context.Seed)),
        ];
    }

    private static ElementwiseShape? Parse(string text)
    {
        string[] parts = text.Split(',');
        return parts.Length == 2 && Size(parts[0]) is int rows && Size(parts[1]) is int columns && (long)rows * columns <= int.MaxValue
            ? new ElementwiseShape(rows, columns)
            : null;
    }

    private static int? Size(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value > 0 ? value : null;
}
