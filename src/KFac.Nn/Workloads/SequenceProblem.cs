using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Made pairs of sequences: those with low numbers train, the next validate.</summary>
public sealed class SequenceProblem(SequenceWorkload workload, SequenceTask task) : TrainingProblem
{
    /// <summary>What makes the pairs.</summary>
    public SequenceTask Task { get; } = task;

    /// <inheritdoc/>
    public override string DataName => "made sequences";

    /// <inheritdoc/>
    public override int LargestEvaluationBatch => 250;

    /// <inheritdoc/>
    public override int MostTrainExamplesEvaluated => 1000;

    /// <inheritdoc/>
    public override int CountOf(DataPart part) => part switch
    {
        DataPart.Train => workload.TrainCount,
        DataPart.Validation => workload.ValidationCount,
        _ => 0,
    };

    /// <inheritdoc/>
    public override IReadOnlyList<string> Describe() => [$"task={Task}", $"pairs={workload.TrainCount}+{workload.ValidationCount}"];

    /// <inheritdoc/>
    public override Network CreateNetwork(Device device, ulong seed) =>
        new(device, workload.BuildModel(), new CrossEntropyLoss(workload.LabelSmoothing), Workload.InitialisationKey(seed));

    /// <inheritdoc/>
    public override MiniBatch CreateBatch(DeviceStream stream, int capacity) => new SequenceMiniBatch(stream, this, capacity);

    /// <inheritdoc/>
    public override MetricMeter CreateMeter(DeviceStream stream) => new ExactMatchMeter(stream);

    /// <summary>The number of the first pair of a part.</summary>
    internal int FirstOf(DataPart part) => part == DataPart.Train ? 0 : workload.TrainCount;
}
