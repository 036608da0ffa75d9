using System.Xml.Linq;
using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public sealed class TargetSearchTests
{
    private static readonly PerceptronWorkload _workload = PerceptronWorkload.MnistMlp with { HiddenWidths = [12], BatchSize = 20 };

    private static readonly TargetSearchOptions _options = new()
    {
        Workload = _workload,
        Trials = 3,
        Steps = 20,
        EvaluationInterval = 5,
        Finalists = 2,
        Repetitions = 3,
        Seed = 1,
    };

    [Fact]
    public void The_best_reference_sets_the_target_and_all_are_timed_to_it()
    {
        using Device device = TestDevice.OpenDefault();
        var told = new List<string>();
        TargetSearchResult result = TargetSearch.Run(
            device, _options, new ImageProblem(_workload, SmallRun.Glyphs), (name, _, _, _) => told.Add(name));
        Assert.Equal(["nesterov", "adamw", "nadamw", "kfac-expand", "kfac-reduce"], result.Rows.Select(static row => row.Name));
        Assert.Equal(5 * (3 + (2 * 3)), told.Count);
        const string Metric = "validationAccuracy";
        Assert.Equal(Metric, result.Target.Metric);
        List<double> medians = [.. result.Rows.Take(3).Select(static row => row.Repetitions.Select(static run => run.Best(Metric)).Order().ElementAt(1))];
        Assert.Equal(medians.Max(), result.Target.Value);
        Assert.Equal(medians.IndexOf(medians.Max()), result.Rows.ToList().IndexOf(result.Reference));
        Assert.All(result.Rows, static row => Assert.Contains(row.Chosen, row.Trials));
        Assert.NotNull(result.Reference.StepsToTarget);
        Assert.All(result.Rows, static row => Assert.All(row.Repetitions, run => Assert.Equal(row.Chosen.Optimizer, run.Optimizer)));
        Assert.All(result.Rows.Skip(3), static row => Assert.All(row.Trials, static run => Assert.InRange(run.Evaluations[^1].Step, 5, 15)));
        Assert.All(result.Rows.Take(3), static row => Assert.All(row.Trials, static run => Assert.Equal(20, run.Evaluations[^1].Step)));
        XElement svg = XElement.Parse(SearchPlot.Render("a <plot>", result));
        Assert.Equal(5, svg.Descendants().Count(static element => element.Name.LocalName == "polyline"));
    }

    [Fact]
    public void Trials_spread_over_the_ranges_and_stay_inside()
    {
        SearchSpace space = SearchSpace.For(OptimizerKind.Kfac, SharingApproximation.Reduce, _workload);
        List<OptimizerSettings> points = [.. Enumerable.Range(0, 64).Select(trial => space.PointOf(trial, 3))];
        Assert.All(points, static point => point.Validate());
        Assert.All(points, point => Assert.InRange(point.LearningRate, space.LearningRate.Low, space.LearningRate.High));
        Assert.All(points, point => Assert.InRange(point.Damping, space.Damping!.Value.Low, space.Damping.Value.High));
        double middle = space.LearningRate.At(0.5);
        Assert.InRange(points.Count(point => point.LearningRate < middle), 28, 36);
        Assert.Equal(64, points.Select(static point => point.LearningRate).Distinct().Count());
        Assert.Equal(points[7], space.PointOf(7, 3));
        Assert.NotEqual(points[7], space.PointOf(7, 4));
    }

    [Fact]
    public void Every_optimizer_gets_ranges_for_what_it_has()
    {
        foreach (OptimizerKind kind in Enum.GetValues<OptimizerKind>())
        {
            SearchSpace space = SearchSpace.For(kind, SharingApproximation.Expand, _workload);
            Assert.Equal(kind is OptimizerKind.Kfac or OptimizerKind.Foof, space.Damping is not null);
            space.PointOf(0, 0).Validate();
        }
    }

    [Fact]
    public void Refuses_options_that_make_no_search()
    {
        Refused(_options with { Trials = 0 }, "number of trials is 0");
        Refused(_options with { KfacShare = 1.5 }, "share of K-FAC's steps is 1.5");
        Refused(_options with { Steps = 4 }, "number of steps is 4");
        Refused(_options with { Metric = "testAccuracy" }, "The metric is 'testAccuracy'");
        static void Refused(TargetSearchOptions options, string message) =>
            Assert.Contains(message, Assert.Throws<ArgumentException>(options.Validate).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Stops_when_asked_to()
    {
        using Device device = TestDevice.OpenDefault();
        var problem = new ImageProblem(_workload, SmallRun.Glyphs);
        Assert.Throws<OperationCanceledException>(() => TargetSearch.Run(device, _options, problem, null, new CancellationToken(canceled: true)));
    }

    [Fact]
    public void Runs_that_diverge_are_worst_and_do_not_end_the_search()
    {
        using Device device = TestDevice.OpenDefault();
        var workload = new HotWorkload { Name = "hot", BatchSize = 20, Epochs = 1 };
        TargetSearchOptions options = _options with { Workload = workload, Trials = 2, Repetitions = 1 };
        TargetSearchResult result = TargetSearch.Run(device, options, new ImageProblem(workload, SmallRun.Glyphs));
        Assert.All(result.Rows[0].Trials, static run => Assert.True(run.Diverged));
        Assert.NotEqual("nesterov", result.Reference.Name);
        Assert.Null(result.Rows[0].StepsToTarget);
    }

    /// <summary>No trial of SGD with Nesterov momentum gets far.</summary>
    private sealed record HotWorkload : ImageWorkload
    {
        public override Module BuildModel(ImageData data) => _workload.BuildModel(data);

        public override OptimizerSettings DefaultOptimizer(OptimizerKind kind)
        {
            OptimizerSettings usual = base.DefaultOptimizer(kind);
            return kind == OptimizerKind.Nesterov ? usual with { LearningRate = 1e30 } : usual;
        }
    }
}
