using System.Runtime.InteropServices;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A mini-batch of graphs with their labels.</summary>
internal sealed class GraphMiniBatch(DeviceStream stream, GraphProblem problem, GraphAggregation aggregation) : MiniBatch
{
    private readonly GraphBatch _graphs = new(stream, problem.Data, aggregation);
    private readonly List<int> _chosen = [];

    public override int Count => _graphs.Count;

    /// <summary>Each batch has graphs of other sizes, and so another number of rows.</summary>
    public override bool IsRepeatable => false;

    public override Targets Targets => Targets.Of(_graphs.Labels);

    public override void FillForTraining(ReadOnlySpan<int> examples, PhiloxKey key)
    {
        _chosen.Clear();
        foreach (int example in examples)
        {
            _chosen.Add(problem.Data.Split.Train[example]);
        }

        _graphs.Fill(CollectionsMarshal.AsSpan(_chosen));
    }

    public override void Fill(DataPart part, int start, int count)
    {
        IReadOnlyList<int> graphs = problem.GraphsOf(part);
        _chosen.Clear();
        for (int i = start; i < start + count; i++)
        {
            _chosen.Add(graphs[i]);
        }

        _graphs.Fill(CollectionsMarshal.AsSpan(_chosen));
    }

    public override Variable Forward(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        MatrixView<float> nodes = _graphs.Nodes;
        return network.Forward(nodes, TensorShape.Of(nodes.Rows, nodes.Columns), _graphs.NodeSegments, _graphs.Structure);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _graphs.Dispose();
        }

        base.Dispose(disposing);
    }
}
