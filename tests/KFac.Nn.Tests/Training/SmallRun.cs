using System.Runtime.InteropServices;
using KFac.Kernels;

namespace KFac.Nn.Tests;

/// <summary>Workloads small enough to train in milliseconds.</summary>
internal static class SmallRun
{
    public static ImageData Glyphs { get; } = ImageData.Split("glyphs", 10, GlyphImages.Make(260, 1), 200);

    public static ImageData Curves { get; } = ImageData.Split("curves", 1, CurveImages.Make(260, 1), 200);

    /// <summary>Ten steps an epoch; evaluates every fourth step.</summary>
    public static TrainingOptions Options(OptimizerKind kind, ImageTask task = ImageTask.Classification)
    {
        PerceptronWorkload workload = task == ImageTask.Classification
            ? PerceptronWorkload.MnistMlp with { HiddenWidths = [12, 9], BatchSize = 20 }
            : PerceptronWorkload.MnistAutoencoder with { HiddenWidths = [12, 4], BatchSize = 20 };
        OptimizerSettings optimizer = workload.DefaultOptimizer(kind);
        return new TrainingOptions
        {
            Workload = workload,
            Optimizer = optimizer with { LearningRate = Math.Min(optimizer.LearningRate, 0.01), InverseInterval = 3 },
            Seed = 5,
            Steps = 14,
            EvaluationInterval = 4,
        };
    }

    public static TrainingProblem DataFor(TrainingOptions options)
    {
        var workload = (PerceptronWorkload)options.Workload;
        return new ImageProblem(workload, workload.Task == ImageTask.Classification ? Glyphs : Curves);
    }

    public static (TrainingResult Result, float[] Parameters) Train(
        Device device, TrainingOptions options, Action<TrainingProgress>? progress = null, CancellationToken cancellation = default)
    {
        using var run = new TrainingRun(device, options, DataFor(options));
        TrainingResult result = run.Run(progress, cancellation);
        var parameters = new float[run.Network.Parameters.Values.Length];
        device.DefaultStream.Download(run.Network.Parameters.Values, parameters);
        return (result, parameters);
    }

    /// <summary>Exact bits, so that equal means equal.</summary>
    public static byte[] Bits(float[] values) => MemoryMarshal.AsBytes(values.AsSpan()).ToArray();
}
