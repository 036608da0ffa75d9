using System.Diagnostics;
using KFac.Kernels;
using KFac.Nn;
using Spectre.Console;

namespace KFac.Cli;

/// <summary><c>kfac train WORKLOAD --grid</c>: tunes optimizers by the same small grid and compares the steps they need.</summary>
/// <remarks>JSON: <c>{workload, device, seed, data, steps, evaluationInterval, markStep, markLoss, seconds, optimizers:[{optimizer,
/// stepsToMark, fastest, best}], points}</c>; a point is <c>{optimizer, learningRate, momentum, weightDecay, damping, diverged,
/// stepsToMark, finalTrainLoss}</c>. <c>stepsToMark</c> is null where the mark was not reached.</remarks>
internal static class TrainGrid
{
    public static int Run(CommandContext context, PerceptronWorkload workload, string? directory, int? steps, int? interval)
    {
        TuningOptions options = ReadOptions(context, workload, steps, interval);
        TrainingProblem problem = workload.Load(directory, context.Seed);
        using Device device = context.OpenDevice();
        long start = Stopwatch.GetTimestamp();
        TextWriter writer = context.Progress.Profile.Out.Writer;
        TuningResult result = TuningGrid.Run(
            device,
            options,
            problem,
            (index, count, point) => writer.WriteLine($"{index + 1}/{count}  {Describe(point)}"),
            context.Cancellation);
        double mark = result.MarkLoss;
        var report = new GridReport(
            workload.Name,
            device.Name,
            context.Seed,
            problem.DataName,
            options.Steps,
            options.EvaluationInterval,
            result.MarkStep,
            mark,
            Stopwatch.GetElapsedTime(start).TotalSeconds,
            [.. result.Rows.Select(row => new GridRow(row.Name, row.StepsToMark, GridPoint.Of(row.Fastest, mark), GridPoint.Of(row.Best, mark)))],
            [.. result.Points.Select(point => GridPoint.Of(point, mark))]);
        context.Report(report, CliJson.Default.GridReport, console => Print(console, report, result));
        return ExitCode.Success;
    }

    private static TuningOptions ReadOptions(CommandContext context, PerceptronWorkload workload, int? steps, int? interval) => UsageException.Of(() =>
    {
        var options = new TuningOptions { Workload = workload, Seed = context.Seed };
        options = options with { Steps = steps ?? options.Steps, EvaluationInterval = interval ?? options.EvaluationInterval };
        options.Validate();
        return options;
    });

    private static void Print(IAnsiConsole console, GridReport report, TuningResult result)
    {
        Table table = new Table().Border(TableBorder.Simple).AddColumns(
            "optimizer", "fastest settings", $"steps to loss {Number(report.MarkLoss)}", "ratio", "best settings", $"loss at step {report.Steps}");
        foreach (TuningRow row in result.Rows)
        {
            string needed = row.StepsToMark is long count ? $"{count}" : $"more than {report.Steps}";
            string ratio = row.StepsToMark is long reached
                ? FormattableString.Invariant($"{(double)reached / report.MarkStep:0.0#}")
                : FormattableString.Invariant($"more than {(double)report.Steps / report.MarkStep:0.0#}");
            table.AddRow(
                row.Name, Settings(row.Fastest.Optimizer), needed, ratio, Settings(row.Best.Optimizer), Number(row.Best.FinalTrainLoss));
        }

        console.Write(table);
    }

    private static string Describe(OptimizerSettings point) => $"{point.Name} {Settings(point)}";

    private static string Settings(OptimizerSettings point)
    {
        string second = point.Kind switch
        {
            OptimizerKind.Kfac => FormattableString.Invariant($"λ {point.Damping}"),
            OptimizerKind.AdamW => FormattableString.Invariant($"decay {point.WeightDecay}"),
            _ => FormattableString.Invariant($"μ {point.Momentum}"),
        };
        return FormattableString.Invariant($"η {point.LearningRate}, {second}");
    }

    private static string Number(double value) => FormattableString.Invariant($"{value:g3}");
}

/// <summary>Result of <see cref="TrainGrid"/>.</summary>
internal sealed record GridReport(
    string Workload,
    string Device,
    ulong Seed,
    string Data,
    int Steps,
    int EvaluationInterval,
    long MarkStep,
    double MarkLoss,
    double Seconds,
    IReadOnlyList<GridRow> Optimizers,
    IReadOnlyList<GridPoint> Points);

/// <summary>One optimizer of a <see cref="GridReport"/>.</summary>
internal sealed record GridRow(string Optimizer, long? StepsToMark, GridPoint Fastest, GridPoint Best);

/// <summary>One run of a <see cref="GridReport"/>; <c>finalTrainLoss</c> is null where it diverged.</summary>
internal sealed record GridPoint(
    string Optimizer,
    double LearningRate,
    double Momentum,
    double WeightDecay,
    double? Damping,
    bool Diverged,
    long? StepsToMark,
    double? FinalTrainLoss)
{
    public static GridPoint Of(TuningPoint point, double mark) => new(
        point.Optimizer.Name,
        point.Optimizer.LearningRate,
        point.Optimizer.Momentum,
        point.Optimizer.WeightDecay,
        point.Optimizer.Kind == OptimizerKind.Kfac ? point.Optimizer.Damping : null,
        point.Diverged,
        point.StepsTo(mark),
        point.Diverged ? null : point.FinalTrainLoss);
}
