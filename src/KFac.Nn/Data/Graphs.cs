namespace KFac.Nn;

/// <summary>Graphs laid out one after another: nodes of graph 0, then of graph 1, …, and edges likewise.</summary>
/// <remarks>An edge's ends are numbered within its graph. Whether an edge stands for both directions is the data set's
/// convention; both OGB layouts that <see cref="NodeDataDirectory"/> and <see cref="GraphDataDirectory"/> read list
/// each edge once.</remarks>
public sealed class Graphs
{
    private readonly int[] _nodeOffsets;
    private readonly int[] _edgeOffsets;
    private readonly int[] _sources;
    private readonly int[] _targets;

    /// <summary>Borrows the arrays, which belong together already.</summary>
    internal Graphs(int[] nodeOffsets, int[] edgeOffsets, int[] sources, int[] targets)
    {
        _nodeOffsets = nodeOffsets;
        _edgeOffsets = edgeOffsets;
        _sources = sources;
        _targets = targets;
    }

    /// <summary>Number of graphs.</summary>
    public int Count => _nodeOffsets.Length - 1;

    /// <summary>Nodes of all graphs together.</summary>
    public int NodeCount => _nodeOffsets[^1];

    /// <summary>Edges of all graphs together.</summary>
    public int EdgeCount => _edgeOffsets[^1];

    /// <summary>Where each graph's nodes start, and the end of the last: <c>Count + 1</c> values.</summary>
    public ReadOnlySpan<int> NodeOffsets => _nodeOffsets;

    /// <summary>Where each graph's edges start, and the end of the last: <c>Count + 1</c> values.</summary>
    public ReadOnlySpan<int> EdgeOffsets => _edgeOffsets;

    /// <summary>Nodes of a graph.</summary>
    public int NodesOf(int graph) => _nodeOffsets[graph + 1] - _nodeOffsets[graph];

    /// <summary>Edges of a graph.</summary>
    public int EdgesOf(int graph) => _edgeOffsets[graph + 1] - _edgeOffsets[graph];

    /// <summary>The first end of each of a graph's edges.</summary>
    public ReadOnlySpan<int> SourcesOf(int graph) => _sources.AsSpan(_edgeOffsets[graph], EdgesOf(graph));

    /// <summary>The second end of each of a graph's edges.</summary>
    public ReadOnlySpan<int> TargetsOf(int graph) => _targets.AsSpan(_edgeOffsets[graph], EdgesOf(graph));
}
