using System.Runtime.InteropServices;
using KFac.Kernels;

namespace KFac.Nn.Tests;

/// <summary>Workloads small enough to train in milliseconds.</summary>
internal static class SmallRun
{
    public static ImageData Glyphs { get; } = ImageData.Split("glyphs", 10, GlyphImages.Make(260, 1), 200);

    public static ImageData Curves { get; } = ImageData.Split("curves", 1, CurveImages.Make(260, 1), 200);

    /// <summary>Ten steps an epoch; evaluates every fourth step.</summary>
    public static TrainingOptions Options(OptimizerKind kind, WorkloadTask task = WorkloadTask.Classification)
    {
        Workload workload = task == WorkloadTask.Classification
            ? Workload.MnistMlp with { HiddenWidths = [12, 9], BatchSize = 20 }
            : Workload.MnistAutoencoder with { HiddenWidths = [12, 4], BatchSize = 20 };
        OptimizerSettings optimizer = OptimizerSettings.DefaultFor(kind, workload);
        return new TrainingOptions
        {
            Workload = workload,
            Optimizer = optimizer with { LearningRate = Math.Min(optimizer.LearningRate, 0.01), InverseInterval = 3 },
            Seed = 5,
            Steps = 14,
            EvaluationInterval = 4,
        };
    }

    public static ImageData DataFor(TrainingOptions options) =>
        options.Workload.Task == WorkloadTask.Classification ? Glyphs : Curves;

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
