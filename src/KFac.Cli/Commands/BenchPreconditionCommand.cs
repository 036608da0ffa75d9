using System.CommandLine;
using System.Globalization;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>kfac bench precondition</c>: gradients preconditioned as matrices and as rows, and factors of few rows inverted.</summary>
internal sealed class BenchPreconditionCommand : BenchCommand
{
    private const int Largest = 16384;

    private readonly Option<int[]> _sizes = OptionFactory.Repeated(
        "--size", "N", "Width of the layer, inputs and outputs; may be repeated.", [256, 1000, 1024, 2048], Parse, $"a whole number from 1 to {Largest}");

    private readonly Option<int[]> _rows = OptionFactory.Repeated(
        "--rows", "N", "Rows of the batch; may be repeated.", [100], Parse, $"a whole number from 1 to {Largest}");

    private readonly Option<string> _form = OptionFactory.Choice(
        "--form", "Inverses, eigenbases, the dual system, or all.", "all", "inverses", "eigenbases", "dual", "all");

    public BenchPreconditionCommand()
        : base("precondition", "Time preconditioned gradients, and damped inverses of factors of few rows.")
    {
        Add(_sizes);
        Add(_rows);
        Add(_form);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Func<Device, BenchCase>> Cases(CommandContext context)
    {
        string form = context.Required(_form);
        bool[] eigenbases = form switch
        {
            "inverses" => [false],
            "eigenbases" => [true],
            "dual" => [],
            _ => [false, true],
        };
        int[] rows = context.Required(_rows);
        return
        [
            .. from size in context.Required(_sizes)
               from basis in eigenbases
               from count in (int[])[0, .. rows]
               select (Func<Device, BenchCase>)(device => new PreconditionCase(device, size, count, basis, context.Seed)),
            .. from size in form is "dual" or "all" ? context.Required(_sizes) : []
               from count in rows
               from dual in (bool[])[false, true]
               select (Func<Device, BenchCase>)(device => new DualCase(device, size, count, dual, context.Seed)),
        ];
    }

    private static int? Parse(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value is >= 1 and <= Largest ? value : null;
}
