using System.CommandLine;
using System.Globalization;
using KFac.Engine;
using KFac.Kernels;
using KFac.Nn;
using Spectre.Console;

namespace KFac.Cli;

/// <summary><c>kfac train WORKLOAD</c>: trains a network, or with <c>--grid</c> tunes optimizers and compares them.</summary>
/// <remarks>
/// JSON: <c>{workload, device, optimizer, approximation, seed, steps, epochs, seconds, samplesPerSecond, events, metrics}</c>;
/// <c>approximation</c> is null for optimizers other than K-FAC. With <c>--grid</c>, see <see cref="TrainGrid"/>. A run that is
/// interrupted writes its checkpoint and plot and fails, as does one that ends without reaching its <c>--target</c>. <c>--export</c> writes the weights in any case; a run that is resumed
/// has its checkpoint's weights, not those of <c>--init</c>.
/// </remarks>
internal sealed class TrainCommand : KfacCommand
{
    private readonly TrainArguments _arguments = new();

    private readonly Option<string?> _plot = OptionFactory.OptionalPath("--plot", "Draw the metrics as SVG.");

    private readonly Option<bool> _summary = new("--summary")
    {
        Description = "Print layers, parameters, factor sizes and the memory that training takes, and don't train; it needs no device, so --device and --threads change nothing.",
    };

    private readonly Option<bool> _grid = new("--grid")
    {
        Description = "Run nine settings each of K-FAC, SGD with momentum and AdamW for the same number of steps, and compare "
            + "the steps they need. Takes about ten minutes on two cores at its default size.",
    };

    private readonly Option<int?> _gridSteps = OptionFactory.Count("--grid-steps", "Steps of each run of the grid.");

    public TrainCommand()
        : base("train", "Train a network, on real data or on data that the program makes.")
    {
        _arguments.AddTo(this);
        Add(_plot);
        Add(_summary);
        Add(_grid);
        Add(_gridSteps);
    }

    /// <inheritdoc/>
    public override int Run(CommandContext context)
    {
        Workload workload = _arguments.ReadWorkload(context);
        if (context.Get(_summary))
        {
            return TrainSummary.Run(context, workload, _arguments.DataDirectory(context));
        }

        if (context.Get(_grid))
        {
            _arguments.RefuseBesideGrid(context, _plot);
            PerceptronWorkload tuned = workload as PerceptronWorkload
                ?? throw new UsageException($"{workload.Name} has no --grid; wanted {PerceptronWorkload.MnistMlp.Name} or {PerceptronWorkload.MnistAutoencoder.Name}.");
            return TrainGrid.Run(context, tuned, _arguments.DataDirectory(context), context.Get(_gridSteps), _arguments.EvaluationInterval(context));
        }

        if (context.IsGiven(_gridSteps))
        {
            throw new UsageException("--grid-steps is an option of --grid.");
        }

        return Train(context, workload);
    }

    private int Train(CommandContext context, Workload workload)
    {
        TrainingOptions options = _arguments.ReadOptions(context, workload);
        string? plot = context.Get(_plot);
        string? export = _arguments.Export(context);
        OutputFiles.RequireTargets(plot, export);
        TrainingProblem problem = workload.Load(_arguments.DataDirectory(context), context.Seed);
        options = options with { Schedule = _arguments.ReadSchedule(context, options, problem) };
        using Device device = context.OpenDevice();
        using var run = new TrainingRun(device, options, problem);
        if (_arguments.InitialWeights(context) is string weights)
        {
            run.Network.LoadParameters(weights);
        }

        var view = new TrainProgressView(context.Progress, options, problem, device, run.Network);
        TrainingResult result = run.Run(view.Show, context.Cancellation);
        view.End();
        if (plot is not null)
        {
            TrainingPlot.Write(plot, $"{workload.Name}, {options.Optimizer.Name}", workload, result.Evaluations);
        }

        if (export is not null)
        {
            run.Network.SaveParameters(export);
        }

        RefuseUnfinished(options, result);
        var report = new TrainReport(
            workload.Name,
            device.Name,
            options.Optimizer.Name,
            result.Approximation?.ToString().ToLowerInvariant(),
            context.Seed,
            result.Steps,
            result.Epochs,
            result.Seconds,
            result.SamplesPerSecond,
            result.Events,
            result.Metrics);
        context.Report(report, CliJson.Default.TrainReport, console => Print(console, report, workload));
        return ExitCode.Success;
    }

    private static void RefuseUnfinished(TrainingOptions options, TrainingResult result)
    {
        if (result.Outcome == TrainingOutcome.Cancelled)
        {
            string next = options.CheckpointDirectory is string directory
                ? $"the checkpoint is in {directory}, go on with --resume"
                : "without --checkpoint nothing was kept";
            throw new TrainingException($"stopped at step {result.Steps}; {next}.", result.Steps);
        }

        if (result.Outcome == TrainingOutcome.TargetMissed)
        {
            TrainingTarget target = options.Target!;
            string last = result.Metrics.Get(target.Metric).ToString("0.######", CultureInfo.InvariantCulture);
            throw new TrainingException($"{target} was not reached in {result.Steps} steps; it ended at {last}.", result.Steps);
        }
    }

    private static void Print(IAnsiConsole console, TrainReport report, Workload workload)
    {
        Table table = new Table().Border(TableBorder.Simple).HideHeaders().AddColumns("name", "value");
        string optimizer = report.Approximation is null ? report.Optimizer : $"{report.Optimizer} ({report.Approximation})";
        Row(table, "workload", $"{report.Workload} on {report.Device}");
        Row(table, "optimizer", optimizer);
        Row(table, "steps", Invariant($"{report.Steps} ({report.Epochs:0.##} epochs) in {report.Seconds:0.0} s"));
        Row(table, "throughput", Invariant($"{report.SamplesPerSecond:0} {workload.Example}s/s"));
        foreach (string name in workload.MetricNames)
        {
            Row(table, name, Invariant($"{report.Metrics.Get(name):0.######}"));
        }

        foreach (NumericalEventCount happened in report.Events)
        {
            Row(table, "event", Invariant($"{happened.Layer}: {happened.Kind} × {happened.Count}"));
        }

        console.Write(table);
    }

    private static void Row(Table table, string name, string value) => table.AddRow(Markup.Escape(name), Markup.Escape(value));

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}

/// <summary>Result of <see cref="TrainCommand"/>.</summary>
internal sealed record TrainReport(
    string Workload,
    string Device,
    string Optimizer,
    string? Approximation,
    ulong Seed,
    long Steps,
    double Epochs,
    double Seconds,
    double SamplesPerSecond,
    IReadOnlyList<NumericalEventCount> Events,
    Metrics Metrics);
