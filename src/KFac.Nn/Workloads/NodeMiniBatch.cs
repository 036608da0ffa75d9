using KFac.Kernels;

namespace KFac.Nn;

/// <summary>The whole graph on the device, and the labels of some of its nodes.</summary>
/// <remarks>Features of a node are scaled to sum to 1 in absolute value, as usual for bags of words.</remarks>
internal sealed class NodeMiniBatch : MiniBatch
{
    private readonly DeviceStream _stream;
    private readonly NodeProblem _problem;
    private readonly Arena _arena;
    private readonly MatrixView<float> _features;
    private readonly VectorView<int> _labels;
    private readonly int[] _hostLabels;
    private readonly GraphStructure _graph;
    private int _count;

    public NodeMiniBatch(DeviceStream stream, NodeProblem problem)
    {
        NodeData data = problem.Data;
        _stream = stream;
        _problem = problem;
        _arena = new Arena(stream.Device);
        _hostLabels = new int[data.Graph.NodeCount];
        _labels = _arena.Vector<int>(data.Graph.NodeCount);
        _features = _arena.Matrix<float>(data.Graph.NodeCount, data.FeatureCount);
        stream.Upload<float>(ScaledRows(data), _features);
        _graph = new GraphStructure { NormalizedAdjacency = NormalizedAdjacency.Of(stream, _arena, data.Graph) };
    }

    public override int Count => _count;

    /// <summary>The same graph every time: only which labels show differs.</summary>
    public override bool IsRepeatable => true;

    public override Targets Targets => Targets.Of(_labels) with { Terms = _count };

    public override void FillForTraining(ReadOnlySpan<int> examples, PhiloxKey key)
    {
        Array.Fill(_hostLabels, Targets.Masked);
        foreach (int example in examples)
        {
            Show(_problem.Data.Split.Train[example]);
        }

        Upload(examples.Length);
    }

    public override void Fill(DataPart part, int start, int count)
    {
        Array.Fill(_hostLabels, Targets.Masked);
        IReadOnlyList<int> nodes = _problem.NodesOf(part);
        for (int i = start; i < start + count; i++)
        {
            Show(nodes[i]);
        }

        Upload(count);
    }

    public override Variable Forward(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        return network.Forward(_features, TensorShape.Of(_features.Rows, _features.Columns), graph: _graph);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _arena.Dispose();
        }

        base.Dispose(disposing);
    }

    private static float[] ScaledRows(NodeData data)
    {
        float[] features = data.Features.ToArray();
        for (int node = 0; node < data.Graph.NodeCount; node++)
        {
            Span<float> row = features.AsSpan(node * data.FeatureCount, data.FeatureCount);
            float sum = 0;
            foreach (float value in row)
            {
                sum += Math.Abs(value);
            }

            for (int i = 0; sum > 0 && i < row.Length; i++)
            {
                row[i] /= sum;
            }
        }

        return features;
    }

    private void Show(int node) => _hostLabels[node] = _problem.Data.Labels.Span[node];

    private void Upload(int count)
    {
        _count = count;
        _stream.Upload<int>(_hostLabels, _labels);
    }
}
