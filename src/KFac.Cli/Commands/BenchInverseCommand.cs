using System.CommandLine;
using System.Globalization;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>kfac bench inverse</c>: damped inverses or eigendecompositions of factors.</summary>
internal sealed class BenchInverseCommand : BenchCommand
{
    private const int Largest = 16384;

    private readonly Option<int[]> _sizes = OptionFactory.Repeated(
        "--size", "N", "Width of the factor; may be repeated.", [64, 128, 256, 512, 1024, 2048], Parse, $"a whole number from 1 to {Largest}");

    private readonly Option<string> _kind = OptionFactory.Choice(
        "--kind", "Damped inverse, or eigendecomposition.", "cholesky", "cholesky", "eigh");

    private readonly Option<string?> _set = OptionFactory.OptionalChoice(
        "--set", "Instead of sizes: all factors of a network in one call.", [.. FactorSets.Names]);

    private readonly Option<double?> _warm = OptionFactory.OptionalNumber<double>(
        "--warm",
        "DECAY",
        "Start each eigendecomposition from the vectors of the factor before one update of a moving average.",
        decay => decay is >= 0 and <= 1,
        "a number from 0 to 1");

    private readonly Option<double> _power = OptionFactory.Number(
        "--power", "P", "With --warm: the variance of input j is (j + 1)^-P.", 0.0, power => power is >= 0 and <= 8, "a number from 0 to 8");

    public BenchInverseCommand()
        : base("inverse", "Time damped inverses or eigendecompositions.")
    {
        Add(_sizes);
        Add(_kind);
        Add(_set);
        Add(_warm);
        Add(_power);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Func<Device, BenchCase>> Cases(CommandContext context)
    {
        bool eigen = context.Required(_kind) == "eigh";
        if (context.Get(_warm) is { } decay)
        {
            return eigen
                ? [.. context.Required(_sizes).Select(size =>
                    (Func<Device, BenchCase>)(device => new WarmEigenCase(device, size, decay, context.Required(_power), context.Seed)))]
                : throw new UsageException("--warm goes with --kind eigh.");
        }

        if (context.Get(_set) is string set)
        {
            return context.IsGiven(_sizes)
                ? throw new UsageException("--set and --size exclude each other.")
                : [device => new FactorSetCase(device, set, eigen, context.Seed)];
        }

        return
        [
            .. context.Required(_sizes).Select(size =>
                (Func<Device, BenchCase>)(device => new SymmetricCase(device, size, eigen, context.Seed))),
        ];
    }

    private static int? Parse(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value is >= 1 and <= Largest ? value : null;
}
