using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public sealed class ResumeTests : IDisposable
{
    private readonly Device _device = TestDevice.OpenDefault();
    private readonly TemporaryDirectory _directory = new();

    public void Dispose()
    {
        _device.Dispose();
        _directory.Dispose();
    }

    [Theory]
    [InlineData(OptimizerKind.Kfac, ImageTask.Classification)]
    [InlineData(OptimizerKind.Kfac, ImageTask.Reconstruction)]
    [InlineData(OptimizerKind.Foof, ImageTask.Classification)]
    [InlineData(OptimizerKind.Sgd, ImageTask.Classification)]
    [InlineData(OptimizerKind.NAdamW, ImageTask.Classification)]
    public void A_run_that_died_goes_on_bit_for_bit(OptimizerKind kind, ImageTask task)
    {
        TrainingOptions options = SmallRun.Options(kind, task) with { LogFile = _directory.File("straight.jsonl") };
        (TrainingResult straight, float[] expected) = SmallRun.Train(_device, options);

        // Dies after step 8, two steps beyond its checkpoint and one line of log beyond it.
        TrainingOptions resumable = options with
        {
            CheckpointDirectory = _directory.File("checkpoints"),
            CheckpointInterval = 6,
            LogFile = _directory.File("resumed.jsonl"),
            Resume = true,
        };
        Assert.Throws<TimeoutException>(() => SmallRun.Train(_device, resumable, static progress => Die(progress, 8)));
        Assert.Equal(3, File.ReadAllLines(resumable.LogFile).Length);
        File.AppendAllText(resumable.LogFile, "{\"step\":8,\"trai");

        var steps = new List<long>();
        (TrainingResult resumed, float[] actual) = SmallRun.Train(_device, resumable, progress => steps.Add(progress.Step));
        Assert.Equal(7, steps[0]);
        Assert.Equal(SmallRun.Bits(expected), SmallRun.Bits(actual));
        Assert.Equal(straight.Evaluations.Select(static one => one.Metrics), resumed.Evaluations.Select(static one => one.Metrics));
        Assert.Equal(File.ReadAllBytes(options.LogFile), File.ReadAllBytes(resumable.LogFile));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(5)]
    [InlineData(13)]
    public void A_cancelled_run_goes_on_bit_for_bit(int after)
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Kfac);
        float[] expected = SmallRun.Train(_device, options).Parameters;
        TrainingOptions resumable = options with { CheckpointDirectory = _directory.Path };
        using var cancellation = new CancellationTokenSource();
        (TrainingResult cancelled, _) = SmallRun.Train(_device, resumable, progress => CancelAt(progress, after, cancellation), cancellation.Token);
        Assert.Equal((TrainingOutcome.Cancelled, (long)after), (cancelled.Outcome, cancelled.Steps));
        (TrainingResult resumed, float[] actual) = SmallRun.Train(_device, resumable with { Resume = true });
        Assert.Equal(TrainingOutcome.Completed, resumed.Outcome);
        Assert.Equal(SmallRun.Bits(expected), SmallRun.Bits(actual));
    }

    [Fact]
    public void A_finished_run_can_be_prolonged()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Kfac) with { LogFile = _directory.File("straight.jsonl") };
        float[] expected = SmallRun.Train(_device, options).Parameters;
        TrainingOptions prolonged = options with
        {
            CheckpointDirectory = _directory.File("checkpoints"),
            LogFile = _directory.File("prolonged.jsonl"),
        };
        SmallRun.Train(_device, prolonged with { Steps = 7 });
        float[] actual = SmallRun.Train(_device, prolonged with { Resume = true }).Parameters;
        Assert.Equal(SmallRun.Bits(expected), SmallRun.Bits(actual));
        Assert.Equal(File.ReadAllBytes(options.LogFile!), File.ReadAllBytes(prolonged.LogFile!));
    }

    [Fact]
    public void Resuming_a_finished_run_tells_its_result_again()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Kfac) with { CheckpointDirectory = _directory.Path };
        (TrainingResult first, _) = SmallRun.Train(_device, options);
        (TrainingResult again, _) = SmallRun.Train(_device, options with { Resume = true });
        Assert.Equal(first.Metrics, again.Metrics);
        Assert.Equal(first.Evaluations.Count, again.Evaluations.Count);
        Assert.Equal(14, again.Steps);
    }

    [Fact]
    public void A_new_run_does_not_overwrite_a_checkpoint()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd) with { CheckpointDirectory = _directory.Path, LogFile = _directory.File("log") };
        SmallRun.Train(_device, options);
        Refused<IOException>(options, "holds the checkpoint of another run");
    }

    [Fact]
    public void Refuses_a_checkpoint_of_other_options_and_touches_nothing()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd) with { CheckpointDirectory = _directory.Path, LogFile = _directory.File("log") };
        SmallRun.Train(_device, options);
        TrainingOptions resumed = options with { Resume = true };
        Refused<InvalidDataException>(resumed with { Seed = 6 }, "belongs to a run with seed=5; this run has seed=6");
        Refused<InvalidDataException>(
            resumed with { Optimizer = options.Optimizer with { Momentum = 0.5 } }, "with momentum=0.9; this run has momentum=0.5");
        Refused<InvalidDataException>(resumed with { Workload = options.Workload with { BatchSize = 10 } }, "with batch size=20");
    }

    [Fact]
    public void Refuses_a_corrupt_checkpoint_and_touches_nothing()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd) with { CheckpointDirectory = _directory.Path, LogFile = _directory.File("log") };
        SmallRun.Train(_device, options);
        string path = _directory.File(CheckpointStore.FileName);
        byte[] bytes = File.ReadAllBytes(path);
        File.WriteAllBytes(path, bytes[..(bytes.Length / 2)]);
        Refused<InvalidDataException>(options with { Resume = true }, "is truncated or corrupt");
    }

    [Fact]
    public void A_run_that_diverges_keeps_its_last_checkpoint()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd) with { CheckpointDirectory = _directory.Path, CheckpointInterval = 1 };
        options = options with { Optimizer = options.Optimizer with { LearningRate = 1e20 }, EvaluationInterval = 100 };
        TrainingException failure = Assert.Throws<TrainingException>(() => SmallRun.Train(_device, options));
        using var run = new TrainingRun(_device, options with { Resume = true }, SmallRun.DataFor(options));
        Assert.Equal(failure.Step, Assert.Throws<TrainingException>(() => run.Run()).Step);
        Assert.Equal(failure.Step - 1, run.Step);
    }

    [Fact]
    public void A_checkpoint_directory_that_cannot_be_is_refused_before_the_first_step()
    {
        File.WriteAllText(_directory.File("file"), "in the way");
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd) with { CheckpointDirectory = _directory.File("file") };
        long last = -1;
        IOException failure = Assert.Throws<IOException>(() => SmallRun.Train(_device, options, progress => last = progress.Step));
        Assert.Contains("which is a file; wanted a directory", failure.Message, StringComparison.Ordinal);
        Assert.Equal(-1, last);
    }

    [Fact]
    public void A_log_in_a_missing_directory_is_refused_before_the_first_step()
    {
        TrainingOptions options = SmallRun.Options(OptimizerKind.Sgd) with { LogFile = _directory.File("absent/log") };
        var steps = new List<long>();
        Assert.Throws<DirectoryNotFoundException>(() => SmallRun.Train(_device, options, progress => steps.Add(progress.Step)));
        Assert.Empty(steps);
    }

    private static void Die(in TrainingProgress progress, long step)
    {
        if (progress.Step == step)
        {
            throw new TimeoutException();
        }
    }

    private static void CancelAt(in TrainingProgress progress, long step, CancellationTokenSource cancellation)
    {
        if (progress.Step == step)
        {
            cancellation.Cancel();
        }
    }

    private void Refused<TException>(TrainingOptions options, string message)
        where TException : Exception
    {
        Dictionary<string, byte[]> before = Files();
        TException failure = Assert.Throws<TException>(() => SmallRun.Train(_device, options));
        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
        Assert.Equal(before, Files());
    }

    private Dictionary<string, byte[]> Files() => Directory.GetFiles(_directory.Path).ToDictionary(static path => path, File.ReadAllBytes);
}
