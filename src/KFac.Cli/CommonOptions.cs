using System.CommandLine;
using System.Globalization;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>The options that every command takes.</summary>
internal sealed class CommonOptions
{
    private readonly Option<string> _device = OptionFactory.Text(
        "--device", "cpu|cuda|cuda:N|auto", "Where to compute; cuda:N is the GPU of that number.", "auto", IsDevice, "cpu, cuda, cuda:N or auto");

    private readonly Option<string> _precision = OptionFactory.Choice(
        "--precision", "How a GPU multiplies matrices: as accurate as float32, or faster.", "float32", "float32", "tf32", "bfloat16", "fma");

    private readonly Option<int?> _threads = OptionFactory.OptionalNumber<int>(
        "--threads", "N", "Threads of the CPU device; all cores when absent.", static value => value is >= 1 and <= 1024, "a whole number from 1 to 1024");

    private readonly Option<string> _vectorWidth = OptionFactory.Choice(
        "--vector-width",
        "Bits of the widest vectors that the CPU device may use: 128 are the portable path, 256 AVX2, 512 AVX-512.",
        "widest",
        "128",
        "256",
        "512",
        "widest");

    private readonly Option<ulong> _seed = OptionFactory.Number<ulong>(
        "--seed", "S", "Seed of all random numbers.", 0, static _ => true, "a whole number from 0 to 2⁶⁴ − 1");

    private readonly Option<bool> _json = new("--json")
    {
        Description = "Print one JSON object on standard output, everything else on standard error.",
    };

    private readonly Option<bool> _verbose = new("--verbose")
    {
        Description = "Print the stack trace when the command fails.",
    };

    /// <summary>Makes the options valid on every command below <paramref name="root"/>.</summary>
    public void AddTo(RootCommand root)
    {
        foreach (Option option in (Option[])[_device, _threads, _vectorWidth, _precision, _seed, _json, _verbose])
        {
            option.Recursive = true;
            root.Add(option);
        }
    }

    /// <summary>What was given on the command line.</summary>
    public CommonValues Read(ParseResult parse) => new(
        parse.GetRequiredValue(_device),
        parse.GetValue(_threads),
        WidthOf(parse.GetRequiredValue(_vectorWidth)),
        Enum.Parse<MatrixPrecision>(parse.GetRequiredValue(_precision), ignoreCase: true),
        parse.GetValue(_seed),
        parse.GetValue(_json),
        parse.GetValue(_verbose));

    private static VectorWidth WidthOf(string bits) => bits switch
    {
        "128" => VectorWidth.Portable,
        "256" => VectorWidth.Avx2,
        "512" => VectorWidth.Avx512,
        _ => VectorWidth.Widest,
    };

    private static bool IsDevice(string text) => text is "cpu" or "cuda" or "auto"
        || (text.StartsWith("cuda:", StringComparison.Ordinal)
            && int.TryParse(text.AsSpan("cuda:".Length), NumberStyles.None, CultureInfo.InvariantCulture, out _));
}

/// <summary>Values of the <see cref="CommonOptions"/>.</summary>
/// <param name="Device"><c>cpu</c>, <c>cuda</c>, <c>cuda:N</c> or <c>auto</c>.</param>
/// <param name="Threads">Threads of the CPU device; null for every core.</param>
/// <param name="VectorWidth">The widest vectors that the CPU device may use.</param>
/// <param name="Precision">How a GPU multiplies matrices.</param>
/// <param name="Seed">Seed of all random numbers.</param>
/// <param name="Json">Whether the result is printed as JSON.</param>
/// <param name="Verbose">Whether a failure prints its stack trace.</param>
internal sealed record CommonValues(string Device, int? Threads, VectorWidth VectorWidth, MatrixPrecision Precision, ulong Seed, bool Json, bool Verbose);
