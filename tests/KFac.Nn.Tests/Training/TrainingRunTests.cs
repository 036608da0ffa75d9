using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public sealed class TrainingRunTests : IDisposable
{
    private readonly Device _device = TestDevice.OpenDefault();

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData(OptimizerKind.Kfac, ImageTask.Classification)]
    [InlineData(OptimizerKind.Foof, ImageTask.Classification)]
    [InlineData(OptimizerKind.Sgd, ImageTask.Classification)]
    [InlineData(OptimizerKind.Nesterov, ImageTask.Classification)]
    [InlineData(OptimizerKind.AdamW, ImageTask.Classification)]
    [InlineData(OptimizerKind.NAdamW, ImageTask.Classification)]
    [InlineData(OptimizerKind.Kfac, ImageTask.Reconstruction)]
    [InlineData(OptimizerKind.Foof, ImageTask.Reconstruction)]
    [InlineData(OptimizerKind.Sgd, ImageTask.Reconstruction)]
    [InlineData(OptimizerKind.AdamW, ImageTask.Reconstruction)]
    public void Every_optimizer_learns_at_its_default_settings(OptimizerKind kind, ImageTask task)
    {
        TrainingOptions options = SmallRun.Options(kind, task);
        options = options with { Optimizer = options.Workload.DefaultOptimizer(kind), Steps = 60, EvaluationInterval = 60 };
        (TrainingResult result, _) = SmallRun.Train(_device, options);
        Assert.Equal(TrainingOutcome.Completed, result.Outcome);
        Assert.Equal([0L, 60], result.Evaluations.Select(static evaluation => evaluation.Step));
        Assert.True(
            result.Metrics.TrainLoss < 0.9 * result.Evaluations[0].Metrics.TrainLoss,
            $"The loss went from {result.Evaluations[0].Metrics.TrainLoss} to {result.Metrics.TrainLoss}.");
    }

    [Fact]
    public void The_same_seed_gives_the_same_bits_for_any_number_of_threads()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Kfac);
        (TrainingResult first, float[] expected) = SmallRun.Train(_device, options);
        for (int threads = 1; threads <= 3; threads++)
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            (TrainingResult again, float[] actual) = SmallRun.Train(device, options);
            Assert.Equal(SmallRun.Bits(expected), SmallRun.Bits(actual));
            Assert.Equal(first.Evaluations.Select(static one => one.Metrics), again.Evaluations.Select(static one => one.Metrics));
        }
    }

    [Fact]
    public void Another_seed_gives_other_bits()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd);
        Assert.NotEqual(SmallRun.Train(_device, options).Parameters, SmallRun.Train(_device, options with { Seed = 6 }).Parameters);
    }

    [Fact]
    public void Evaluates_before_the_first_step_at_intervals_and_at_the_end()
    {
        (TrainingResult result, _) = SmallRun.Train(_device, SmallRun.Options(OptimizerKind.Sgd));
        Assert.Equal([0L, 4, 8, 12, 14], result.Evaluations.Select(static evaluation => evaluation.Step));
        Assert.Equal(14, result.Steps);
        Assert.Equal(1.4, result.Epochs, 12);
        Assert.True(result.SamplesPerSecond > 0);
        Assert.Null(result.Approximation);
    }

    [Fact]
    public void Metrics_are_averages_over_all_images()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd) with { Steps = 1 };
        (TrainingResult result, _) = SmallRun.Train(_device, options);
        Metrics metrics = result.Metrics;
        Assert.Equal(Math.Round(metrics.Get("trainAccuracy") * 200), metrics.Get("trainAccuracy") * 200, 9);
        Assert.Equal(Math.Round(metrics.Get("validationAccuracy") * 60), metrics.Get("validationAccuracy") * 60, 9);
        Assert.InRange(metrics.TrainLoss, 0.5, 10);
        Assert.Equal(options.Workload.MetricNames, metrics.Names);
        (TrainingResult part, _) = SmallRun.Train(_device, options with { TrainEvaluationCount = 7 });
        Assert.Equal(Math.Round(part.Metrics.Get("trainAccuracy") * 7), part.Metrics.Get("trainAccuracy") * 7, 9);
        Assert.Equal(metrics.ValidationLoss, part.Metrics.ValidationLoss);
    }

    [Fact]
    public void Squared_error_is_that_of_the_reconstruction()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd, ImageTask.Reconstruction) with { Steps = 1 };
        (TrainingResult result, _) = SmallRun.Train(_device, options);

        // At the start all probabilities are near one half, so every pixel errs by about one half.
        Assert.InRange(result.Evaluations[0].Metrics.Get("trainSquaredError"), 784 * 0.2, 784 * 0.3);
        Assert.InRange(result.Evaluations[0].Metrics.TrainLoss, 784 * 0.6, 784 * 0.8);
    }

    [Fact]
    public void Ends_when_the_target_is_reached()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Kfac) with { Target = new TrainingTarget("trainLoss", 1.9), Steps = 400 };
        (TrainingResult result, _) = SmallRun.Train(_device, options);
        Assert.Equal(TrainingOutcome.TargetReached, result.Outcome);
        Assert.True(result.Metrics.TrainLoss <= 1.9);
        Assert.True(result.Evaluations[^2].Metrics.TrainLoss > 1.9);
        Assert.Equal(SharingApproximation.Expand, result.Approximation);
    }

    [Fact]
    public void Says_when_the_target_is_missed()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd) with { Target = new TrainingTarget("validationAccuracy", 1), Steps = 2 };
        Assert.Equal(TrainingOutcome.TargetMissed, SmallRun.Train(_device, options).Result.Outcome);
    }

    [Fact]
    public void A_loss_that_is_not_finite_names_the_step()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd);
        options = options with { Optimizer = options.Optimizer with { LearningRate = 1e20 }, EvaluationInterval = 100 };
        TrainingException failure = Assert.Throws<TrainingException>(() => SmallRun.Train(_device, options));
        Assert.InRange(failure.Step, 2, 4);
        Assert.Contains($"at step {failure.Step}; the run diverged", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(OptimizerKind.Kfac)]
    [InlineData(OptimizerKind.Sgd)]
    [InlineData(OptimizerKind.AdamW)]
    public void A_settled_step_allocates_next_to_nothing(OptimizerKind kind)
    {
        TrainingOptions options = SmallRun.Options(kind) with { EvaluationInterval = 1000, Steps = 40 };
        var allocated = new long[41];
        SmallRun.Train(_device, options, progress => allocated[progress.Step] = GC.GetAllocatedBytesForCurrentThread());
        long perStep = (allocated[39] - allocated[21]) / 18;
        Assert.True(perStep < 512, $"A step allocates {perStep} bytes.");
    }

    [Fact]
    public void Progress_counts_down()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd) with { Steps = 5, EvaluationInterval = 3 };
        var seen = new List<TrainingProgress>();
        SmallRun.Train(_device, options, seen.Add);
        Assert.Equal([0L, 1, 2, 3, 4, 5, 5], seen.Select(static progress => progress.Step));
        Assert.Equal([0L, 3, 5], seen.Where(static progress => progress.Evaluation is not null).Select(static progress => progress.Step));
        Assert.All(seen, static progress => Assert.Equal((5L, 10), (progress.LastStep, progress.StepsPerEpoch)));
        Assert.Equal(TimeSpan.Zero, seen[^1].Remaining);
    }

    [Fact]
    public void Follows_the_schedule()
    {
        TrainingOptions constant = SmallRun.Options(OptimizerKind.Sgd) with { Steps = 3 };
        float[] expected = SmallRun.Train(_device, constant).Parameters;
        double rate = constant.Optimizer.LearningRate;
        Assert.Equal(expected, SmallRun.Train(_device, constant with { Schedule = new ConstantSchedule(rate) }).Parameters);
        Assert.NotEqual(expected, SmallRun.Train(_device, constant with { Schedule = new WarmupLinearSchedule(rate, 0, 3) }).Parameters);
    }

    [Fact]
    public void Clips_gradients()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd) with { Steps = 3 };
        float[] free = SmallRun.Train(_device, options).Parameters;
        Assert.Equal(free, SmallRun.Train(_device, options with { GradientClip = 1e6 }).Parameters);
        Assert.NotEqual(free, SmallRun.Train(_device, options with { GradientClip = 1e-3 }).Parameters);
    }

    [Fact]
    public void Refuses_options_that_cannot_be()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd);
        Refused(options with { Steps = 0 }, "The number of steps is 0; wanted at least 1");
        Refused(options with { EvaluationInterval = 0 }, "The evaluation interval is 0");
        Refused(options with { GradientClip = double.NaN }, "The gradient clip is NaN");
        Refused(options with { Resume = true }, "none was given");
        Refused(options with { Target = new TrainingTarget("accuracy", 1) }, "'accuracy'; mnist-mlp has trainLoss, trainAccuracy");
        Refused(options with { Workload = options.Workload with { BatchSize = 201 } }, "The batch size is 201; wanted 1 to 200");
        Refused(options with { Workload = (PerceptronWorkload)options.Workload with { HiddenWidths = [3, 0] } }, "Hidden widths are [3, 0]");
        Refused(options with { Optimizer = options.Optimizer with { LearningRate = 0 } }, "The learning rate is 0; wanted a finite number above 0");
        Refused(options with { Optimizer = options.Optimizer with { Momentum = 1 } }, "The momentum is 1");
        Refused(options with { Optimizer = options.Optimizer with { Damping = -1 } }, "The damping is -1; wanted a finite number, at least 0");
        Refused(options with { Optimizer = options.Optimizer with { WeightDecay = double.PositiveInfinity } }, "The weight decay is");
    }

    private void Refused(TrainingOptions options, string message) => Assert.Contains(
        message, Assert.Throws<ArgumentException>(() => SmallRun.Train(_device, options)).Message, StringComparison.Ordinal);
}
