using System.Runtime.InteropServices;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Some of a data set's graphs side by side on a device, in memory that is filled again and again.</summary>
/// <remarks>Nodes, edges and labels of the chosen graphs lie one after another, so that adjacency is block-diagonal and every
/// graph a segment; there is no padding. Each edge of the data stands for both directions and becomes two, next to each
/// other. Categories become zeros and ones (one column per category of the whole data set). Once the largest batch has
/// been seen nothing is allocated on the managed heap.</remarks>
public sealed class GraphBatch : IDisposable
{
    private readonly DeviceStream _stream;
    private readonly GraphData _data;
    private readonly Arena _arena;
    private readonly OneHotColumns _nodeColumns;
    private readonly OneHotColumns _edgeColumns;
    private readonly MessageGraph _messages;
    private readonly List<int> _nodeOffsets = [];
    private readonly List<int> _edgeOffsets = [];
    private readonly List<int> _sources = [];
    private readonly List<int> _targets = [];
    private readonly List<float> _nodeFeatures = [];
    private readonly List<float> _edgeFeatures = [];
    private readonly List<float> _labels = [];

    /// <summary>Makes an empty batch.</summary>
    /// <param name="aggregation">Of the network that the batch is for.</param>
    public GraphBatch(DeviceStream stream, GraphData data, GraphAggregation aggregation)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(data);
        _stream = stream;
        _data = data;
        _arena = new Arena(stream.Device);
        _nodeColumns = new OneHotColumns(data.NodeFeatures.Span, data.NodeFeatureCount);
        _edgeColumns = new OneHotColumns(data.EdgeFeatures.Span, data.EdgeFeatureCount);
        _messages = new MessageGraph(aggregation);
        Structure = new GraphStructure { Messages = _messages };
    }

    /// <summary>Graphs it was last filled with.</summary>
    public int Count { get; private set; }

    /// <summary>Edges and segments, for <see cref="Network.Forward(MatrixView{float}, TensorShape, SegmentOffsets, GraphStructure)"/>.</summary>
    public GraphStructure Structure { get; }

    /// <summary>Where each graph's nodes begin.</summary>
    public SegmentOffsets NodeSegments => _messages.NodeSegments;

    /// <summary>[nodes, columns], zeros and ones.</summary>
    public MatrixView<float> Nodes { get; private set; }

    /// <summary>[graphs, tasks], NaN where there is no label.</summary>
    public MatrixView<float> Labels { get; private set; }

    /// <summary>Columns of <see cref="Nodes"/>.</summary>
    public int NodeWidth => _nodeColumns.Width;

    /// <summary>Columns of the edges' features.</summary>
    public int EdgeWidth => _edgeColumns.Width;

    /// <summary>Takes the named graphs, in this order.</summary>
    public void Fill(ReadOnlySpan<int> graphs)
    {
        Collect(graphs);
        _arena.Reset();
        Nodes = Upload(_nodeFeatures, _nodeOffsets[^1], NodeWidth);
        MatrixView<float> edges = Upload(_edgeFeatures, _edgeOffsets[^1], EdgeWidth);
        Labels = Upload(_labels, graphs.Length, _data.TaskCount);
        _messages.Fill(
            _stream,
            _arena,
            CollectionsMarshal.AsSpan(_nodeOffsets),
            CollectionsMarshal.AsSpan(_edgeOffsets),
            CollectionsMarshal.AsSpan(_sources),
            CollectionsMarshal.AsSpan(_targets),
            edges);
        Count = graphs.Length;
    }

    /// <inheritdoc/>
    public void Dispose() => _arena.Dispose();

    private void Collect(ReadOnlySpan<int> graphs)
    {
        _labels.Clear();
        _sources.Clear();
        _targets.Clear();
        _nodeOffsets.Clear();
        _edgeOffsets.Clear();
        _nodeOffsets.Add(0);
        _edgeOffsets.Add(0);
        foreach (int graph in graphs)
        {
            AddEdges(graph, firstNode: _nodeOffsets[^1]);
            _nodeOffsets.Add(_nodeOffsets[^1] + _data.Graphs.NodesOf(graph));
            _edgeOffsets.Add(_sources.Count);
            _labels.AddRange(_data.Labels.Span.Slice(graph * _data.TaskCount, _data.TaskCount));
        }

        Encode(graphs);
    }

    private void AddEdges(int graph, int firstNode)
    {
        ReadOnlySpan<int> sources = _data.Graphs.SourcesOf(graph);
        ReadOnlySpan<int> targets = _data.Graphs.TargetsOf(graph);
        for (int edge = 0; edge < sources.Length; edge++)
        {
            _sources.Add(firstNode + sources[edge]);
            _targets.Add(firstNode + targets[edge]);
            _sources.Add(firstNode + targets[edge]);
            _targets.Add(firstNode + sources[edge]);
        }
    }

    private void Encode(ReadOnlySpan<int> graphs)
    {
        Span<float> nodes = Zeros(_nodeFeatures, _nodeOffsets[^1] * NodeWidth);
        Span<float> edges = Zeros(_edgeFeatures, _edgeOffsets[^1] * EdgeWidth);
        Graphs all = _data.Graphs;
        foreach (int graph in graphs)
        {
            _nodeColumns.Encode(
                _data.NodeFeatures.Span.Slice(all.NodeOffsets[graph] * _data.NodeFeatureCount, all.NodesOf(graph) * _data.NodeFeatureCount), nodes);
            nodes = nodes[(all.NodesOf(graph) * NodeWidth)..];
            for (int edge = all.EdgeOffsets[graph]; edge < all.EdgeOffsets[graph + 1]; edge++)
            {
                ReadOnlySpan<int> features = _data.EdgeFeatures.Span.Slice(edge * _data.EdgeFeatureCount, _data.EdgeFeatureCount);
                _edgeColumns.Encode(features, edges);
                _edgeColumns.Encode(features, edges[EdgeWidth..]);
                edges = edges[(2 * EdgeWidth)..];
            }
        }
    }

    private static Span<float> Zeros(List<float> memory, int length)
    {
        CollectionsMarshal.SetCount(memory, length);
        Span<float> span = CollectionsMarshal.AsSpan(memory);
        span.Clear();
        return span;
    }

    private MatrixView<float> Upload(List<float> values, int rows, int columns)
    {
        MatrixView<float> matrix = _arena.Matrix<float>(rows, columns);
        _stream.Upload(CollectionsMarshal.AsSpan(values), matrix);
        return matrix;
    }
}
