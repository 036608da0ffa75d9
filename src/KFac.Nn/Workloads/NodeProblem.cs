using System.Runtime.InteropServices;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A workload on the nodes of one graph, with the graph.</summary>
public sealed class NodeProblem(GraphConvolutionWorkload workload, NodeData data) : TrainingProblem
{
    /// <summary>The graph.</summary>
    public NodeData Data { get; } = data;

    /// <inheritdoc/>
    public override string DataName => Data.Name;

    /// <summary>Labels of a whole part cost no more than one.</summary>
    public override int LargestEvaluationBatch => Data.Graph.NodeCount;

    /// <inheritdoc/>
    public override int CountOf(DataPart part) => NodesOf(part).Count;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Describe()
    {
        uint checksum = Checksum.Append(Checksum.Initial, MemoryMarshal.AsBytes(Data.Features.Span));
        checksum = Checksum.Append(checksum, MemoryMarshal.AsBytes(Data.Labels.Span));
        checksum = Checksum.Append(checksum, MemoryMarshal.AsBytes(Data.Graph.SourcesOf(0)));
        checksum = Checksum.Finish(Checksum.Append(checksum, MemoryMarshal.AsBytes(Data.Graph.TargetsOf(0))));
        return
        [
            FormattableString.Invariant($"graph={Data.Graph.NodeCount} nodes, {Data.Graph.EdgeCount} edges of checksum {checksum:x8}"),
            FormattableString.Invariant($"split={Data.Split.Train.Count}/{Data.Split.Validation.Count}/{Data.Split.Test.Count}"),
        ];
    }

    /// <inheritdoc/>
    public override Network CreateNetwork(Device device, ulong seed) => new(
        device,
        GraphConvolutionNetwork.Build(workload.Model(Data.FeatureCount, Data.Classes)),
        new CrossEntropyLoss(),
        Workload.InitialisationKey(seed));

    /// <inheritdoc/>
    public override MiniBatch CreateBatch(DeviceStream stream, int capacity) => new NodeMiniBatch(stream, this);

    /// <inheritdoc/>
    public override MetricMeter CreateMeter(DeviceStream stream) => new AccuracyMeter();

    internal IReadOnlyList<int> NodesOf(DataPart part) => part switch
    {
        DataPart.Train => Data.Split.Train,
        DataPart.Validation => Data.Split.Validation,
        _ => Data.Split.Test,
    };
}
