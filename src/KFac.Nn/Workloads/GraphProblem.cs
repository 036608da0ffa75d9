using System.Runtime.InteropServices;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A workload on graphs with binary properties, with the graphs.</summary>
public sealed class GraphProblem(GraphNetworkWorkload workload, GraphData data) : TrainingProblem
{
    /// <summary>The graphs.</summary>
    public GraphData Data { get; } = data;

    /// <inheritdoc/>
    public override string DataName => Data.Name;

    /// <inheritdoc/>
    public override int LargestEvaluationBatch => 256;

    /// <inheritdoc/>
    public override int CountOf(DataPart part) => GraphsOf(part).Count;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Describe()
    {
        uint checksum = Checksum.Append(Checksum.Initial, MemoryMarshal.AsBytes(Data.NodeFeatures.Span));
        checksum = Checksum.Append(checksum, MemoryMarshal.AsBytes(Data.EdgeFeatures.Span));
        checksum = Checksum.Finish(Checksum.Append(checksum, MemoryMarshal.AsBytes(Data.Labels.Span)));
        return
        [
            FormattableString.Invariant($"graphs={Data.Graphs.Count} with {Data.Graphs.NodeCount} nodes and {Data.Graphs.EdgeCount} edges of checksum {checksum:x8}"),
            FormattableString.Invariant($"split={Data.Split.Train.Count}/{Data.Split.Validation.Count}/{Data.Split.Test.Count}"),
        ];
    }

    /// <inheritdoc/>
    public override Network CreateNetwork(Device device, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(device);
        using var batch = new GraphBatch(device.DefaultStream, Data, workload.Aggregation);
        Module model = GraphNetwork.Build(workload.Model(batch.NodeWidth, batch.EdgeWidth, Data.TaskCount));
        return new Network(device, model, new BernoulliLoss(), Workload.InitialisationKey(seed));
    }

    /// <inheritdoc/>
    public override MiniBatch CreateBatch(DeviceStream stream, int capacity) => new GraphMiniBatch(stream, this, workload.Aggregation);

    /// <inheritdoc/>
    public override MetricMeter CreateMeter(DeviceStream stream) => new TaskRankingMeter(stream, Data.TaskCount);

    internal IReadOnlyList<int> GraphsOf(DataPart part) => part switch
    {
        DataPart.Train => Data.Split.Train,
        DataPart.Validation => Data.Split.Validation,
        _ => Data.Split.Test,
    };
}
