using System.Diagnostics;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Summaries count what a step takes, to the byte, and take nothing themselves.</summary>
public class ModelSummaryTests
{
    public static TheoryData<string> Workloads => new(Workload.All.Select(static workload => workload.Name));

    /// <summary>The same pass on the processor takes as much.</summary>
    [Theory]
    [MemberData(nameof(Workloads))]
    public void A_step_takes_what_the_summary_says(string name)
    {
        Workload workload = Workload.Find(name) with { BatchSize = 4 };
        TrainingProblem problem = workload.Load(null, 0);
        ModelSummary summary = ModelSummary.Of(workload, problem);

        using Device device = TestDevice.OpenDefault();
        using Network network = problem.CreateNetwork(device, 0);
        using MiniBatch batch = problem.CreateBatch(device.DefaultStream, workload.BatchSize);
        batch.FillForTraining(new BatchOrder(problem.CountOf(DataPart.Train), workload.BatchSize, 0).Next(), default);
        batch.Forward(network);
        network.SetTargets(batch.Targets);
        network.Backward();
        Assert.Equal(network.PassBytes, summary.StepBytes);
        Assert.Equal(network.Parameters.Values.Length, summary.Parameters);
        Assert.Equal(8L * summary.Parameters, summary.ParameterBytes);
        Assert.Equal(network.Layers.Count, summary.Layers.Count);
    }

    [Fact]
    public void A_large_vision_transformer_is_summarised_without_its_memory()
    {
        (ModelSummary summary, long allocated) = Measure(static () => ModelSummary.Of(
            VisionTransformer.Build(VisionTransformerOptions.Small16), new CrossEntropyLoss(), TensorShape.Of(64, 224, 224, 3)));
        Assert.Equal(22_050_664, summary.Parameters);
        Assert.InRange(summary.StepBytes, 4L << 30, 16L << 30);
        Assert.InRange(allocated, 0, 4 << 20);
    }

    [Fact]
    public void Gpt2_is_summarised_without_its_memory()
    {
        (ModelSummary summary, long allocated) = Measure(static () => ModelSummary.OfTokens(
            GenerativeTransformer.Build(GenerativeTransformerOptions.Gpt2Small), new CrossEntropyLoss(), examples: 4, length: 1024));
        Assert.Equal(124_439_808, summary.Parameters);
        Assert.True(summary.Layers[0].HasDiagonalOutput);
        Assert.Equal(50_257, summary.Layers[0].OutputFactorSize);
        Assert.InRange(summary.StepBytes, 4L << 30, 32L << 30);
        Assert.InRange(allocated, 0, 4 << 20);
    }

    [Fact]
    public void A_translation_is_summarised_with_its_context()
    {
        ModelSummary summary = ModelSummary.OfTokens(
            EncoderDecoderTransformer.Build(new EncoderDecoderTransformerOptions { Vocabulary = 32_000, Length = 256 }),
            new CrossEntropyLoss(0.1f),
            examples: 8,
            length: 200,
            contextLength: 256);
        Assert.True(summary.StepBytes > 8L * 200 * 32_000 * sizeof(float));
    }

    [Fact]
    public void A_summary_is_printed_with_layers_factors_and_bytes()
    {
        ModelSummary summary = ModelSummary.Of(
            new Sequential(new Linear("hidden", 4, 3), new LayerNormalization("norm", 3), new Linear("output", 3, 1200, bias: false)),
            new CrossEntropyLoss(),
            TensorShape.Of(2, 4));
        string[] lines = summary.ToString().Split('\n');
        Assert.Equal(5, lines.Length);
        Assert.StartsWith("hidden   ", lines[0], StringComparison.Ordinal);
        Assert.EndsWith("4 → 3 + bias                        15  A 5², B 3²", lines[0], StringComparison.Ordinal);
        Assert.EndsWith("3 → 1200                         3,600  A 3², B 1200²", lines[1], StringComparison.Ordinal);
        Assert.StartsWith("norm.weight ", lines[2], StringComparison.Ordinal);
        Assert.StartsWith("3,621 parameters: 28,968 bytes with their gradients, ", lines[4], StringComparison.Ordinal);
    }

    [Fact]
    public void Inputs_that_do_not_fit_are_refused() => Assert.Contains(
        "Layer 'layer1'",
        Assert.Throws<ArgumentException>(() => ModelSummary.Of(
            MultiLayerPerceptron.Build(new MultiLayerPerceptronOptions { InputWidth = 4, HiddenWidths = [3], OutputWidth = 2 }),
            new CrossEntropyLoss(),
            TensorShape.Of(2, 5))).Message,
        StringComparison.Ordinal);

    /// <summary>Managed bytes of the second call, when everything is compiled; unmanaged memory would show in the process's.</summary>
    private static (ModelSummary Summary, long Allocated) Measure(Func<ModelSummary> summarise)
    {
        _ = summarise();
        using var process = Process.GetCurrentProcess();
        long peak = process.PeakWorkingSet64;
        long before = GC.GetAllocatedBytesForCurrentThread();
        ModelSummary summary = summarise();
        long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        process.Refresh();
        Assert.True(process.PeakWorkingSet64 - peak < 64 << 20, $"The process grew by {process.PeakWorkingSet64 - peak} bytes.");
        return (summary, allocated);
    }
}
