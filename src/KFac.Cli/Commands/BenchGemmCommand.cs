using System.CommandLine;
using System.Globalization;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>kfac bench gemm</c>: matrix products, by default those of the workloads' layers.</summary>
internal sealed class BenchGemmCommand : BenchCommand
{
    private const int Largest = 32768;

    private readonly Option<GemmShape[]> _shapes = OptionFactory.Repeated(
        "--shape",
        "M,N,K",
        "Rows and columns of the result, inner dimension; may be repeated. Default: the products of the workloads' layers.",
        [],
        Parse,
        $"three whole numbers from 1 to {Largest} with commas between");

    private readonly Option<bool> _transposeA = new("--transpose-a") { Description = "The first operand is stored as [K, M]." };

    private readonly Option<bool> _transposeB = new("--transpose-b") { Description = "The second operand is stored as [N, K]." };

    private readonly Option<int> _stack = OptionFactory.Number(
        "--stack", "N", "Products in one call.", 1, static value => value is >= 1 and <= 4096, "a whole number from 1 to 4096");

    public BenchGemmCommand()
        : base("gemm", "Time matrix products.", hasErrors: true)
    {
        Add(_shapes);
        Add(_transposeA);
        Add(_transposeB);
        Add(_stack);
    }

    /// <inheritdoc/>
    protected override IReadOnlyList<Func<Device, BenchCase>> Cases(CommandContext context)
    {
        GemmShape[] given = context.Required(_shapes);
        (Transpose a, Transpose b, int stack) = (Of(context.Get(_transposeA)), Of(context.Get(_transposeB)), context.Get(_stack));
        if (given.Length == 0 && (a, b, stack) != (Transpose.No, Transpose.No, 1))
        {
            throw new UsageException("--transpose-a, --transpose-b and --stack say how a --shape is multiplied; give one.");
        }

        IEnumerable<GemmShape> shapes = given.Length == 0
            ? GemmShape.Defaults
            : given.Select(shape => shape with { TransposeA = a, TransposeB = b, Stack = stack });
        if (shapes.FirstOrDefault(static shape => !shape.Fits) is { M: > 0 } large)
        {
            throw new UsageException($"A matrix of {large} has more than {int.MaxValue} elements.");
        }

        return [.. shapes.Select(shape => (Func<Device, BenchCase>)(device => new GemmCase(device, shape, context.Seed)))];
    }

    private static Transpose Of(bool given) => given ? Transpose.Yes : Transpose.No;

    private static GemmShape? Parse(string text)
    {
        string[] parts = text.Split(',');
        return parts.Length == 3 && Size(parts[0]) is int m && Size(parts[1]) is int n && Size(parts[2]) is int k
            ? new GemmShape(m, n, k)
            : null;
    }

    private static int? Size(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value is >= 1 and <= Largest ? value : null;
}
