using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Tunes K-FAC, SGD with momentum and AdamW by grids of equal size, and compares the steps they need.</summary>
/// <remarks>
/// Every point of every grid, learning rate × one more hyper-parameter, trains for the same number of steps from the same
/// weights on the same batches, and its loss on all training images is measured at the same intervals. The mark is the
/// lowest loss that any K-FAC point has after half the budget; an optimizer's steps to the mark are those of whichever of
/// its points gets there first. An optimizer without such a point needs more than twice K-FAC's steps.
/// </remarks>
public static class TuningGrid
{
    private static readonly OptimizerKind[] _optimizers = [OptimizerKind.Kfac, OptimizerKind.Sgd, OptimizerKind.AdamW];

    /// <summary>The points of an optimizer's grid, nine for each.</summary>
    public static IReadOnlyList<OptimizerSettings> PointsOf(OptimizerKind kind, PerceptronWorkload workload)
    {
        ArgumentNullException.ThrowIfNull(workload);
        OptimizerSettings basis = workload.DefaultOptimizer(kind);
        bool classify = workload.Task == ImageTask.Classification;
        return kind switch
        {
            OptimizerKind.Kfac => Cross(
                basis,
                classify ? [0.005, 0.01, 0.02] : [0.01, 0.03, 0.1],
                classify ? [0.01, 0.03, 0.1] : [0.1, 0.3, 1],
                static (point, value) => point with { Damping = value }),
            OptimizerKind.Sgd => Cross(
                basis,
                classify ? [0.03, 0.06, 0.12] : [0.003, 0.01, 0.03],
                [0.8, 0.9, 0.95],
                static (point, value) => point with { Momentum = value }),
            OptimizerKind.AdamW => Cross(
                basis, [3e-4, 6e-4, 1.2e-3], [0, 0.01, 0.1], static (point, value) => point with { WeightDecay = value }),
            _ => throw new ArgumentException($"There is no grid for {kind}; wanted one of {string.Join(", ", _optimizers)}.", nameof(kind)),
        };
    }

    /// <summary>Runs all points.</summary>
    /// <param name="progress">Told before each point: its index, how many there are, and its settings.</param>
    /// <exception cref="OperationCanceledException">The run was asked to stop.</exception>
    /// <exception cref="TrainingException">Every K-FAC point diverged before half the budget, so there is no mark.</exception>
    public static TuningResult Run(
        Device device,
        TuningOptions options,
        TrainingProblem problem,
        Action<int, int, OptimizerSettings>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        List<OptimizerSettings> settings = [.. _optimizers.SelectMany(kind => PointsOf(kind, options.Workload))];
        var points = new List<TuningPoint>(settings.Count);
        foreach (OptimizerSettings point in settings)
        {
            progress?.Invoke(points.Count, settings.Count, point);
            points.Add(Train(device, options, problem, point, cancellation));
            cancellation.ThrowIfCancellationRequested();
        }

        return Summarise(options, points);
    }

    internal static TuningResult Summarise(TuningOptions options, IReadOnlyList<TuningPoint> points)
    {
        long markStep = options.Steps / 2 / options.EvaluationInterval * options.EvaluationInterval;
        double mark = points.Where(static point => point.Optimizer.Kind == OptimizerKind.Kfac).Min(point => point.TrainLossAt(markStep));
        if (!double.IsFinite(mark))
        {
            throw new TrainingException($"Every K-FAC point of the grid diverged before step {markStep}.", markStep);
        }

        return new TuningResult(markStep, mark, [.. _optimizers.Select(kind => Row(kind, points, mark))], points);
    }

    private static TuningRow Row(OptimizerKind kind, IReadOnlyList<TuningPoint> points, double mark)
    {
        List<TuningPoint> own = [.. points.Where(point => point.Optimizer.Kind == kind)];
        TuningPoint best = own.MinBy(static point => point.FinalTrainLoss)!;
        TuningPoint fastest = own.OrderBy(point => point.StepsTo(mark) ?? long.MaxValue).ThenBy(static point => point.FinalTrainLoss).First();
        return new TuningRow(best.Optimizer.Name, fastest, fastest.StepsTo(mark), best);
    }

    private static TuningPoint Train(
        Device device, TuningOptions options, TrainingProblem problem, OptimizerSettings point, CancellationToken cancellation)
    {
        var evaluations = new List<Evaluation>();
        using var run = new TrainingRun(device, Options(options, problem, point), problem);
        try
        {
            run.Run(progress => Collect(progress, evaluations), cancellation);
            return new TuningPoint(point, evaluations, Diverged: false);
        }
        catch (Exception failure) when (failure is TrainingException or NonFiniteCaptureException)
        {
            return new TuningPoint(point, evaluations, Diverged: true);
        }
    }

    private static TrainingOptions Options(TuningOptions options, TrainingProblem problem, OptimizerSettings point) => new()
    {
        Workload = options.Workload,
        Optimizer = point,
        Seed = options.Seed,
        Steps = options.Steps,
        EvaluationInterval = options.EvaluationInterval,
        TrainEvaluationCount = problem.CountOf(DataPart.Train),
    };

    private static void Collect(in TrainingProgress progress, List<Evaluation> evaluations)
    {
        if (progress.Evaluation is Evaluation evaluation)
        {
            evaluations.Add(evaluation);
        }
    }

    private static List<OptimizerSettings> Cross(
        OptimizerSettings basis, double[] learningRates, double[] values, Func<OptimizerSettings, double, OptimizerSettings> set)
    {
        var points = new List<OptimizerSettings>(learningRates.Length * values.Length);
        foreach (double rate in learningRates)
        {
            foreach (double value in values)
            {
                points.Add(set(basis with { LearningRate = rate }, value));
            }
        }

        return points;
    }
}
