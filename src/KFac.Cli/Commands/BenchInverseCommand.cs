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

    public BenchInverseCommand()
        : base("inverse", "Time damped inverses or eigendecompositions.")
    {
        Add(_sizes);
        Add(_kind);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Func<Device, BenchCase>> Cases(CommandContext context)
    {
        bool eigen = context.Required(_kind) == "eigh";
        return
        [
            .. context.Required(_sizes).Select(size =>
                (Func<Device, BenchCase>)(device => new SymmetricCase(device, size, eigen, context.Seed))),
        ];
    }

    private static int? Parse(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value is >= 1 and <= Largest ? value : null;
}
