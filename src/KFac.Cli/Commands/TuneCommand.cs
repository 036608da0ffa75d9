using System.CommandLine;
using System.Diagnostics;
using System.Text.Json;
using KFac.Kernels;
using KFac.Nn;
using Spectre.Console;

namespace KFac.Cli;

/// <summary><c>kfac tune WORKLOAD</c>: tunes first-order optimizers, lets the best set a validation target, and times K-FAC to it.</summary>
/// <remarks>JSON: see <see cref="TuneReport"/>. A run that diverged has a null <c>best</c>.</remarks>
internal sealed class TuneCommand : KfacCommand
{
    private readonly WorkloadArguments _workload = new();
    private readonly Option<string?> _data = OptionFactory.OptionalPath("--data", "Directory of the workload's data; data is made when absent.", "DIR");
    private readonly Option<int?> _trials = OptionFactory.Count("--trials", "Trials of every optimizer.");
    private readonly Option<int?> _steps = OptionFactory.Count("--steps", "Steps of a reference optimizer's runs.");
    private readonly Option<int?> _evaluateEvery = OptionFactory.Count("--evaluate-every", "Steps between evaluations.");
    private readonly Option<int?> _repetitions = OptionFactory.Count("--repetitions", "Runs of each finalist with new seeds.");
    private readonly Option<int?> _finalists = OptionFactory.Count("--finalists", "Best trials of each optimizer that are repeated.");

    private readonly Option<double?> _share = OptionFactory.OptionalNumber<double>(
        "--kfac-share", "S", "K-FAC's steps and schedule as a share of the others'.", static value => value is > 0 and <= 1, "above 0 and at most 1");

    private readonly Option<double?> _gradientClip = OptionFactory.Positive("--gradient-clip", "C", "Largest norm of the gradient.");
    private readonly Option<string?> _metric = new("--metric") { Description = "What to search for, for example validationAccuracy.", HelpName = "METRIC" };
    private readonly Option<string?> _out = OptionFactory.OptionalPath("--out", "Write the result as JSON.");
    private readonly Option<string?> _plot = OptionFactory.OptionalPath("--plot", "Draw each optimizer's course as SVG.");

    public TuneCommand()
        : base("tune", "Tune Nesterov, AdamW and NAdamW, let the best of them set a validation target, and time K-FAC to it.")
    {
        _workload.AddTo(this);
        foreach (Option option in (Option[])[_data, _metric, _trials, _steps, _share, _gradientClip, _evaluateEvery, _finalists, _repetitions, _out, _plot])
        {
            Add(option);
        }
    }

    /// <inheritdoc/>
    public override int Run(CommandContext context)
    {
        TargetSearchOptions options = ReadOptions(context);
        string? target = context.Get(_out);
        OutputFiles.RequireTargets(context.Get(_plot));
        using OutputFiles? files = target is null ? null : OutputFiles.For(target);
        TrainingProblem problem = options.Workload.Load(context.Get(_data), context.Seed);
        using Device device = context.OpenDevice();
        long start = Stopwatch.GetTimestamp();
        TextWriter writer = context.Progress.Profile.Out.Writer;
        TargetSearchResult result = TargetSearch.Run(
            device, options, problem, (name, index, count, run) => writer.WriteLine(TuneReport.Line(name, index, count, run, options.MetricName)), context.Cancellation);
        TuneReport report = TuneReport.Of(options, problem, device, result, Stopwatch.GetElapsedTime(start).TotalSeconds);
        if (context.Get(_plot) is string plot)
        {
            SearchPlot.Write(plot, $"{options.Workload.Name}: {result.Target.Metric}", result);
        }

        if (target is not null)
        {
            TuneReport documented = report with { Environment = BenchEnvironment.Read(device, context.CommandText) };
            files!.Write(target, stream => JsonSerializer.Serialize(stream, documented, CliJson.Indented.TuneReport));
            files.Commit();
        }

        context.Report(report, CliJson.Default.TuneReport, console => Print(console, report));
        return ExitCode.Success;
    }

    private static void Print(IAnsiConsole console, TuneReport report)
    {
        Table table = new Table().Border(TableBorder.Simple).AddColumns(
            "optimizer", "settings", $"best {report.Metric}", FormattableString.Invariant($"steps to {report.Target:0.#####}"), "share", "seconds", "seconds a step");
        foreach (TuneRow row in report.Optimizers)
        {
            table.AddRow(
                row.Optimizer,
                row.Chosen.Settings(),
                row.Best is double best ? FormattableString.Invariant($"{best:0.#####}") : "diverged",
                row.StepsToTarget is long steps ? FormattableString.Invariant($"{steps}") : "not reached",
                row.ShareOfReference is double share ? FormattableString.Invariant($"{share:0.00}") : string.Empty,
                row.SecondsToTarget is double seconds ? FormattableString.Invariant($"{seconds:0.0}") : string.Empty,
                FormattableString.Invariant($"{row.SecondsPerStep:0.0000}"));
        }

        console.Write(table);
        console.WriteLine(FormattableString.Invariant($"The target was set by {report.Reference}, the median of {report.Repetitions} runs."));
    }

    private TargetSearchOptions ReadOptions(CommandContext context) => UsageException.Of(() =>
    {
        var options = new TargetSearchOptions { Workload = _workload.Read(context), Seed = context.Seed };
        options = options with
        {
            Metric = context.Get(_metric),
            Trials = context.Get(_trials) ?? options.Trials,
            Steps = context.Get(_steps) ?? options.Steps,
            KfacShare = context.Get(_share) ?? options.KfacShare,
            EvaluationInterval = context.Get(_evaluateEvery) ?? options.EvaluationInterval,
            Finalists = context.Get(_finalists) ?? options.Finalists,
            Repetitions = context.Get(_repetitions) ?? options.Repetitions,
            GradientClip = context.Get(_gradientClip),
        };
        options.Validate();
        return options;
    });
}
