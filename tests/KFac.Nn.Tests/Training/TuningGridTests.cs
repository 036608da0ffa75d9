using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public sealed class TuningGridTests
{
    private static readonly TuningOptions _options = new() { Workload = PerceptronWorkload.MnistMlp, Steps = 40, EvaluationInterval = 10 };

    [Fact]
    public void Every_optimizer_gets_as_many_points()
    {
        foreach (PerceptronWorkload workload in Workload.All.OfType<PerceptronWorkload>())
        {
            foreach (OptimizerKind kind in (OptimizerKind[])[OptimizerKind.Kfac, OptimizerKind.Sgd, OptimizerKind.AdamW])
            {
                IReadOnlyList<OptimizerSettings> points = TuningGrid.PointsOf(kind, workload);
                Assert.Equal(9, points.Distinct().Count());
                Assert.All(points, point => Assert.Equal(kind, point.Kind));
            }
        }
    }

    [Fact]
    public void Counts_steps_to_the_loss_that_kfac_has_after_half_the_budget()
    {
        TuningResult result = TuningGrid.Summarise(_options,
        [
            Point(OptimizerKind.Kfac, 2, 0.9, 0.5, 0.4, 0.3),
            Point(OptimizerKind.Kfac, 2, 0.8, 0.6, 0.2, 0.1),
            Point(OptimizerKind.Sgd, 2, 1.5, 1.0, 0.8, 0.6),
            Point(OptimizerKind.AdamW, 2, 1.5, 0.9, 0.5, 0.6),
        ]);
        Assert.Equal((20L, 0.5), (result.MarkStep, result.MarkLoss));
        Assert.Equal(["kfac", "sgd", "adamw"], result.Rows.Select(static row => row.Name));
        Assert.Equal([20L, null, 30], result.Rows.Select(static row => row.StepsToMark));
        Assert.Equal([0.1, 0.6, 0.6], result.Rows.Select(static row => row.Best.FinalTrainLoss));
        Assert.Equal(0.3, result.Rows[0].Fastest.FinalTrainLoss);
    }

    [Fact]
    public void A_diverged_point_is_never_the_best()
    {
        TuningPoint diverged = Point(OptimizerKind.Kfac, 2, 0.1) with { Diverged = true };
        TuningResult result = TuningGrid.Summarise(
            _options, [diverged, Point(OptimizerKind.Kfac, 2, 1, 0.5, 0.4, 0.3), Point(OptimizerKind.Sgd, 2, 1, 1, 1, 1), Point(OptimizerKind.AdamW, 2, 1, 1, 1, 1)]);
        Assert.Equal(0.5, result.MarkLoss);
        Assert.Equal(0.3, result.Rows[0].Best.FinalTrainLoss);
    }

    [Fact]
    public void A_grid_without_a_mark_says_so()
    {
        TuningPoint diverged = Point(OptimizerKind.Kfac, 2) with { Diverged = true };
        Assert.Contains("diverged before step 20", Assert.Throws<TrainingException>(() => TuningGrid.Summarise(_options, [diverged])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Runs_all_points_on_a_device()
    {
        using Device device = TestDevice.OpenDefault();
        TuningOptions options = _options with { Workload = _options.Workload with { HiddenWidths = [8], BatchSize = 20 }, Steps = 8, EvaluationInterval = 4 };
        var told = new List<int>();
        TuningResult result = TuningGrid.Run(device, options, new ImageProblem(options.Workload, SmallRun.Glyphs), (index, _, _) => told.Add(index));
        Assert.Equal(Enumerable.Range(0, 27), told);
        Assert.Equal(27, result.Points.Count);
        Assert.Equal(4, result.MarkStep);
        Assert.All(result.Rows, static row => Assert.Equal([0L, 4, 8], row.Best.Evaluations.Select(static evaluation => evaluation.Step)));
    }

    [Fact]
    public void Stops_when_asked_to()
    {
        using Device device = TestDevice.OpenDefault();
        TuningOptions options = _options with { Workload = _options.Workload with { HiddenWidths = [8], BatchSize = 20 } };
        Assert.Throws<OperationCanceledException>(() => TuningGrid.Run(device, options, new ImageProblem(options.Workload, SmallRun.Glyphs), null, new CancellationToken(canceled: true)));
    }

    [Theory]
    [InlineData(0, 10, "The number of grid steps is 0; wanted at least 20")]
    [InlineData(19, 10, "The number of grid steps is 19; wanted at least 20")]
    [InlineData(40, 0, "The evaluation interval is 0")]
    public void Refuses_a_budget_without_a_half(int steps, int interval, string message) => Assert.Contains(
        message,
        Assert.Throws<ArgumentException>(() => (_options with { Steps = steps, EvaluationInterval = interval }).Validate()).Message,
        StringComparison.Ordinal);

    private static TuningPoint Point(OptimizerKind kind, params double[] losses) => new(
        PerceptronWorkload.MnistMlp.DefaultOptimizer(kind),
        [.. losses.Select(static (loss, index) => new Evaluation(10 * index, 0, new Metrics(PerceptronWorkload.MnistMlp.MetricNames, [loss, 0.5, loss, 0.5])))],
        Diverged: false);
}
