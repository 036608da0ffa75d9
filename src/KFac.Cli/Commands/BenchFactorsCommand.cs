using System.CommandLine;
using System.Globalization;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>kfac bench factors</c>: Kronecker factors from a layer's inputs.</summary>
internal sealed class BenchFactorsCommand : BenchCommand
{
    private readonly Option<FactorShape[]> _shapes = OptionFactory.Repeated(
        "--shape",
        "M,R,P",
        "Examples, sharing positions and features; may be repeated.",
        FactorShape.Defaults,
        Parse,
        "three whole numbers from 1 with commas between, M·R·P below 2³¹, P at most 32768");

    private readonly Option<string> _approx = OptionFactory.Choice("--approx", "K-FAC's approximation.", "both", "expand", "reduce", "both");

    public BenchFactorsCommand()
        : base("factors", "Time Kronecker factors.")
    {
        Add(_shapes);
        Add(_approx);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Func<Device, BenchCase>> Cases(CommandContext context)
    {
        SharingApproximation[] approximations = context.Required(_approx) switch
        {
            "expand" => [SharingApproximation.Expand],
            "reduce" => [SharingApproximation.Reduce],
            _ => [SharingApproximation.Expand, SharingApproximation.Reduce],
        };
        return
        [
            .. from approximation in approximations
               from shape in context.Required(_shapes)
               select (Func<Device, BenchCase>)(device => new FactorCase(device, shape, approximation, context.Seed)),
        ];
    }

    private static FactorShape? Parse(string text)
    {
        string[] parts = text.Split(',');
        return parts.Length == 3 && Size(parts[0]) is int m && Size(parts[1]) is int r && Size(parts[2]) is int p
            && p <= 32768 && (Int128)m * r * p <= int.MaxValue
            ? new FactorShape(m, r, p)
            : null;
    }

    private static int? Size(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value > 0 ? value : null;
}
