using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json;
using KFac.Kernels;
using KFac.Nn;
using Spectre.Console;

namespace KFac.Cli;

/// <summary><c>kfac exactness</c>: K-FAC-expand and K-FAC-reduce against the exact GGN, layer by layer.</summary>
/// <remarks>JSON: <c>{device, seed, maximumExactError, passed, rows:[{case, setting, layer, expandError, expandExact,
/// expandPassed, reduceError, reduceExact, reducePassed, minimumInexactError}], figures:[FILE]}</c>. Exits with 1 when an
/// expectation fails.</remarks>
internal sealed class ExactnessCommand : KfacCommand
{
    private const string All = "all";

    private readonly Option<string> _case = OptionFactory.Choice(
        "--case", "The case to run, or all.", All, [.. ExactnessCases.All.Select(static each => each.Name), All]);

    private readonly Option<string?> _figures = new("--figures")
    {
        Description = "Write the matrices of figures 4.1 and 4.2 as SVG files into this directory.",
        HelpName = "DIR",
    };

    public ExactnessCommand()
        : base("exactness", "Compare K-FAC with the exact GGN where theory says it is exact, and where it is not.")
    {
        _case.HelpName = "NAME";
        Add(_case);
        Add(_figures);
    }

    /// <inheritdoc/>
    public override int Run(CommandContext context)
    {
        using Device device = context.OpenDevice();
        string name = context.Required(_case);
        IReadOnlyList<ExactnessCase> cases = name == All ? ExactnessCases.All : [ExactnessCases.Named(name)];
        List<ExactnessRow> rows = Compare(device, cases, context);
        IReadOnlyList<string> figures = context.Get(_figures) is { } directory ? WriteFigures(device, directory, context.Seed) : [];
        var result = new ExactnessResult(
            device.Name,
            context.Seed,
            ExactnessCase.MaximumExactError,
            rows.TrueForAll(static row => row.ExpandPassed && row.ReducePassed),
            [.. rows.Select(ExactnessLayerResult.Of)],
            figures);
        context.Report(result, CliJson.Default.ExactnessResult, console => ExactnessTable.Print(console, cases, rows, result));
        return result.Passed ? ExitCode.Success : throw new InvalidOperationException(Failures(rows));
    }

    private static List<ExactnessRow> Compare(Device device, IReadOnlyList<ExactnessCase> cases, CommandContext context)
    {
        var rows = new List<ExactnessRow>();
        foreach (ExactnessCase each in cases)
        {
            using var experiment = new ExactnessExperiment(device, each, context.Seed);
            rows.AddRange(experiment.Compare(context.Cancellation));
        }

        return rows;
    }

    private static string[] WriteFigures(Device device, string directory, ulong seed)
    {
        using OutputFiles files = OutputFiles.InDirectory(directory);
        string[] names = [ExactnessCases.ExpandFigureCase, ExactnessCases.ReduceFigureCase];
        string[] paths = [.. names.Select(name => Path.Combine(directory, $"{name}.svg"))];
        for (int i = 0; i < names.Length; i++)
        {
            string svg = ExactnessFigure.Draw(device, ExactnessCases.Named(names[i]), ExactnessFigure.ThesisLayer, seed).ToSvg();
            files.Write(paths[i], stream => stream.Write(Encoding.UTF8.GetBytes(svg)));
        }

        files.Commit();
        return paths;
    }

    private static string Failures(List<ExactnessRow> rows)
    {
        string[] failed = [.. rows.Where(static row => !(row.ExpandPassed && row.ReducePassed)).Select(static row =>
            string.Create(CultureInfo.InvariantCulture, $"{row.Case}/{row.Layer} (expand {row.ExpandError:0.0e+0}, reduce {row.ReduceError:0.0e+0})"))];
        return $"{failed.Length} of {rows.Count} layers not as theory says: {string.Join(", ", failed)}.";
    }
}

/// <summary>Result of <see cref="ExactnessCommand"/>.</summary>
/// <param name="MaximumExactError">The largest relative error that counts as exact.</param>
internal sealed record ExactnessResult(
    string Device, ulong Seed, double MaximumExactError, bool Passed, IReadOnlyList<ExactnessLayerResult> Rows, IReadOnlyList<string> Figures);

/// <summary>One layer of an <see cref="ExactnessResult"/>.</summary>
/// <param name="Setting"><c>noSharing</c>, <c>expand</c> or <c>reduce</c>.</param>
/// <param name="ExpandExact">Whether theory says that expand is exact here.</param>
/// <param name="MinimumInexactError">The least relative error expected where theory says inexact.</param>
internal sealed record ExactnessLayerResult(
    string Case,
    string Setting,
    string Layer,
    double ExpandError,
    bool ExpandExact,
    bool ExpandPassed,
    double ReduceError,
    bool ReduceExact,
    bool ReducePassed,
    double MinimumInexactError)
{
    public static ExactnessLayerResult Of(ExactnessRow row) => new(
        row.Case,
        JsonNamingPolicy.CamelCase.ConvertName(row.Setting.ToString()),
        row.Layer,
        row.ExpandError,
        row.Exact.HasFlag(ExactApproximations.Expand),
        row.ExpandPassed,
        row.ReduceError,
        row.Exact.HasFlag(ExactApproximations.Reduce),
        row.ReducePassed,
        row.MinimumInexactError);
}
