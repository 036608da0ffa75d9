using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>The workloads with transformers, made small: they learn, and a run that was cut short goes on bit for bit.</summary>
public sealed class TransformerWorkloadTests : IDisposable
{
    private static readonly VisionTransformerWorkload s_images = VisionTransformerWorkload.Cifar10 with
    {
        PatchSize = 8,
        Width = 8,
        Depth = 1,
        Heads = 2,
        BatchSize = 20,
    };

    private static readonly TextWorkload s_text = TextWorkload.ShakespeareGpt with
    {
        Length = 12,
        Width = 16,
        Depth = 1,
        Heads = 2,
        BatchSize = 16,
        Dropout = 0.1f,
    };

    private static readonly SequenceWorkload s_sequences = SequenceWorkload.CopyTransformer with
    {
        Width = 16,
        HiddenWidth = 16,
        Depth = 1,
        Heads = 2,
        BatchSize = 16,
        TrainCount = 320,
        ValidationCount = 40,
        LabelSmoothing = 0.1f,
    };

    private readonly Device _device = TestDevice.OpenDefault();
    private readonly TemporaryDirectory _directory = new();

    public static TheoryData<string, SharingApproximation> Cases { get; } = new()
    {
        { "images", SharingApproximation.Expand },
        { "images", SharingApproximation.Reduce },
        { "text", SharingApproximation.Expand },
        { "text", SharingApproximation.Reduce },
        { "sequences", SharingApproximation.Expand },
        { "sequences", SharingApproximation.Reduce },
    };

    public void Dispose()
    {
        _device.Dispose();
        _directory.Dispose();
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_run_in_two_parts_is_one_run(string name, SharingApproximation approximation)
    {
        (Workload workload, TrainingProblem problem) = Make(name);
        TrainingOptions options = Options(workload, approximation) with { Steps = 9 };
        (TrainingResult straight, float[] expected) = Train(options, problem);
        TrainingOptions parts = options with { CheckpointDirectory = _directory.Path };
        Train(parts with { Steps = 5 }, problem);
        (TrainingResult resumed, float[] actual) = Train(parts with { Resume = true }, problem);
        Assert.Equal(SmallRun.Bits(expected), SmallRun.Bits(actual));
        Assert.Equal(straight.Evaluations[^1].Metrics, resumed.Evaluations[^1].Metrics);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_loss_falls(string name, SharingApproximation approximation)
    {
        (Workload workload, TrainingProblem problem) = Make(name);
        (TrainingResult result, _) = Train(Options(workload, approximation) with { Steps = 60 }, problem);
        double first = result.Evaluations[0].Metrics.Get("validationLoss");
        double last = result.Evaluations[^1].Metrics.Get("validationLoss");
        Assert.True(last < 0.97 * first, $"{first} → {last}");
    }

    [Fact]
    public void Windows_of_a_text_are_followed_by_their_targets()
    {
        TextCorpus corpus = TextCorpus.FromText("made", MadeText.Make(2_000, 3));
        var problem = new TextProblem(s_text, corpus);
        Assert.Equal((1800 - 12) / 12, problem.CountOf(DataPart.Train));
        Assert.Equal(199 / 12, problem.CountOf(DataPart.Validation));
        using MiniBatch batch = problem.CreateBatch(_device.DefaultStream, 16);
        batch.Fill(DataPart.Validation, 2, 3);
        Assert.Equal(corpus.Validation.Slice(25, 36).ToArray(), Labels(batch));
        batch.FillForTraining([148, 0], new PhiloxKey(1, 1));
        int[] labels = Labels(batch);
        Assert.InRange(corpus.Train.IndexOf(labels.AsSpan(12)), 1, 12);
        Assert.Contains("made", Assert.Throws<InvalidDataException>(
            () => new TextProblem(s_text with { Length = 500 }, corpus)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Made_data_repeats_with_its_seed()
    {
        Assert.Equal(MadeText.Make(500, 1), MadeText.Make(500, 1));
        Assert.NotEqual(MadeText.Make(500, 1), MadeText.Make(500, 2));
        Assert.Equal(MadeText.Make(100, 1), MadeText.Make(500, 1)[..100]);
        Assert.Equal(ColourGlyphImages.Make(5, 1).Fingerprint(), ColourGlyphImages.Make(5, 1).Fingerprint());
        Assert.NotEqual(ColourGlyphImages.Make(5, 1).Fingerprint(), ColourGlyphImages.Make(5, 2).Fingerprint());
        Assert.Equal(5, ColourGlyphImages.Make(5, 1).Count);
    }

    [Theory]
    [InlineData(SequenceTaskKind.Reverse)]
    [InlineData(SequenceTaskKind.Sort)]
    public void A_target_has_the_sources_symbols_in_the_order_asked_for(SequenceTaskKind kind)
    {
        var task = new SequenceTask { Kind = kind, Seed = 4 };
        var random = new PhiloxGenerator(default);
        var source = new int[task.Longest];
        var target = new int[task.Longest];
        var lengths = new HashSet<int>();
        for (int i = 0; i < 200; i++)
        {
            int length = task.Write(i, random, source, target);
            lengths.Add(length);
            IEnumerable<int> symbols = source.Take(length);
            Assert.All(symbols, symbol => Assert.InRange(symbol, 2, task.Vocabulary - 1));
            Assert.Equal(kind == SequenceTaskKind.Sort ? symbols.Order() : symbols.Reverse(), target.Take(length));
        }

        Assert.Equal(Enumerable.Range(task.Shortest, task.Longest - task.Shortest + 1), lengths.Order());
    }

    [Fact]
    public void Bad_settings_are_refused()
    {
        Assert.Throws<ArgumentException>(() => (s_sequences with { Task = new SequenceTask { Shortest = 9, Longest = 3 } }).Validate());
        Assert.Throws<ArgumentException>(() => (s_sequences with { ValidationCount = 0 }).Validate());
        Assert.Contains("reads none", Assert.Throws<ArgumentException>(() => s_sequences.Load("here", 1)).Message, StringComparison.Ordinal);
        Assert.Throws<DirectoryNotFoundException>(() => s_text.Load(_directory.File("absent"), 1));
        Assert.Throws<DirectoryNotFoundException>(() => s_images.Load(_directory.File("absent"), 1));
    }

    private static (Workload Workload, TrainingProblem Problem) Make(string name) => name switch
    {
        "images" => (s_images, new ImageProblem(s_images, ImageData.Split("made", 10, ColourGlyphImages.Make(260, 1), 200))),
        "text" => (s_text, new TextProblem(s_text, TextCorpus.FromText("made", MadeText.Make(4_000, 1)))),
        _ => (s_sequences, s_sequences.Load(null, 1)),
    };

    private static TrainingOptions Options(Workload workload, SharingApproximation approximation) => new()
    {
        Workload = workload,
        Optimizer = workload.DefaultOptimizer(OptimizerKind.Kfac) with
        {
            Approximation = approximation,
            LearningRate = 0.05,
            Damping = 0.1,
            InverseInterval = 3,
            KlClip = 1e-2,
        },
        Seed = 5,
        EvaluationInterval = 100,
    };

    private (TrainingResult Result, float[] Parameters) Train(TrainingOptions options, TrainingProblem problem)
    {
        using var run = new TrainingRun(_device, options, problem);
        TrainingResult result = run.Run();
        var parameters = new float[run.Network.Parameters.Values.Length];
        _device.DefaultStream.Download(run.Network.Parameters.Values, parameters);
        return (result, parameters);
    }

    private int[] Labels(MiniBatch batch)
    {
        var labels = new int[batch.Targets.Labels.Length];
        _device.DefaultStream.Download(batch.Targets.Labels, labels);
        return labels;
    }
}
