using System.Runtime.InteropServices;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>How a node gathers its edges, and a graph its nodes and edges.</summary>
public enum GraphAggregation
{
    /// <summary>Σ.</summary>
    Sum,

    /// <summary>The mean; zeros where there is nothing.</summary>
    Mean,

    /// <summary>The largest of every column; zeros where there is nothing.</summary>
    Max,
}

/// <summary>Directed edges between the nodes of several graphs that lie side by side, for a <see cref="GraphNetwork"/>.</summary>
/// <remarks>Nodes and edges are ragged rows, graph by graph, so that layers on them get ragged factors. Filled anew for every
/// batch in memory that stays; a filling must not happen while a tape still uses the last one.</remarks>
public sealed class MessageGraph
{
    private readonly IncidenceMaps _bySource;
    private readonly IncidenceMaps _byTarget;
    private readonly IncidenceMaps _nodesByGraph;
    private readonly IncidenceMaps _edgesByGraph;
    private readonly List<int> _owners = [];
    private SegmentOffsets? _nodeSegments;
    private SegmentOffsets? _edgeSegments;

    /// <summary>Makes a graph that is to be filled.</summary>
    /// <exception cref="ArgumentException">There is no such aggregation.</exception>
    public MessageGraph(GraphAggregation aggregation)
    {
        if (!Enum.IsDefined(aggregation))
        {
            throw new ArgumentException(
                $"The aggregation is {(int)aggregation}; wanted one of {string.Join(", ", Enum.GetNames<GraphAggregation>())}.", nameof(aggregation));
        }

        Aggregation = aggregation;
        _bySource = new(aggregation);
        _byTarget = new(aggregation);
        _nodesByGraph = new(aggregation);
        _edgesByGraph = new(aggregation);
    }

    /// <summary>How rows are gathered.</summary>
    public GraphAggregation Aggregation { get; }

    /// <summary>Where each graph's nodes begin.</summary>
    /// <exception cref="InvalidOperationException">The graph was not filled yet.</exception>
    public SegmentOffsets NodeSegments => _nodeSegments ?? throw Empty();

    /// <summary>Where each graph's edges begin.</summary>
    /// <exception cref="InvalidOperationException">The graph was not filled yet.</exception>
    public SegmentOffsets EdgeSegments => _edgeSegments ?? throw Empty();

    /// <summary>[edges, features].</summary>
    public MatrixView<float> EdgeFeatures { get; private set; }

    /// <summary>Nodes to the edges that leave them.</summary>
    internal RowMap SourceToEdges => _bySource.ToItems;

    /// <summary>Nodes to the edges that reach them.</summary>
    internal RowMap TargetToEdges => _byTarget.ToItems;

    /// <summary>Graphs to their nodes.</summary>
    internal RowMap GraphToNodes => _nodesByGraph.ToItems;

    /// <summary>Graphs to their edges.</summary>
    internal RowMap GraphToEdges => _edgesByGraph.ToItems;

    /// <summary>Edges to the nodes that they leave.</summary>
    internal RowMap EdgesToSource => _bySource.ToOwners;

    /// <summary>Edges to the nodes that they reach.</summary>
    internal RowMap EdgesToTarget => _byTarget.ToOwners;

    /// <summary>Nodes to their graphs.</summary>
    internal RowMap NodesToGraph => _nodesByGraph.ToOwners;

    /// <summary>Edges to their graphs.</summary>
    internal RowMap EdgesToGraph => _edgesByGraph.ToOwners;

    /// <summary>Takes the edges of a batch.</summary>
    /// <param name="stream">Does the uploads.</param>
    /// <param name="arena">Holds everything on the device.</param>
    /// <param name="nodeOffsets">Where each graph's nodes begin, and the end of the last.</param>
    /// <param name="edgeOffsets">Where each graph's edges begin, and the end of the last.</param>
    /// <param name="sources">The node that each edge leaves, numbered over all graphs.</param>
    /// <param name="targets">The node that each edge reaches.</param>
    /// <param name="edgeFeatures">[edges, features], borrowed.</param>
    /// <exception cref="ArgumentException">The numbers of graphs or edges differ, offsets descend, or an edge has no such node.</exception>
    public void Fill(
        DeviceStream stream,
        Arena arena,
        ReadOnlySpan<int> nodeOffsets,
        ReadOnlySpan<int> edgeOffsets,
        ReadOnlySpan<int> sources,
        ReadOnlySpan<int> targets,
        MatrixView<float> edgeFeatures)
    {
        if (nodeOffsets.Length != edgeOffsets.Length || edgeOffsets.IsEmpty || sources.Length != edgeOffsets[^1]
            || targets.Length != sources.Length || edgeFeatures.Rows != sources.Length)
        {
            throw new ArgumentException(
                $"{nodeOffsets.Length} node offsets, {edgeOffsets.Length} edge offsets, {sources.Length} sources, {targets.Length} targets and "
                + $"{edgeFeatures} edge features do not belong together; wanted one offset more than graphs, and one source, target and row per edge.");
        }

        Refill(ref _nodeSegments, stream, arena, nodeOffsets);
        Refill(ref _edgeSegments, stream, arena, edgeOffsets);
        EdgeFeatures = edgeFeatures;
        int nodes = nodeOffsets[^1];
        int graphs = nodeOffsets.Length - 1;
        _bySource.Fill(stream, arena, nodes, sources);
        _byTarget.Fill(stream, arena, nodes, targets);
        _nodesByGraph.Fill(stream, arena, graphs, Owners(nodeOffsets));
        _edgesByGraph.Fill(stream, arena, graphs, Owners(edgeOffsets));
    }

    private static void Refill(ref SegmentOffsets? segments, DeviceStream stream, Arena arena, ReadOnlySpan<int> offsets)
    {
        if (segments is null)
        {
            segments = SegmentOffsets.FromOffsets(stream, arena, offsets);
        }
        else
        {
            segments.Refill(stream, arena, offsets);
        }
    }

    /// <summary>The graph of each row.</summary>
    private ReadOnlySpan<int> Owners(ReadOnlySpan<int> offsets)
    {
        _owners.Clear();
        for (int graph = 0; graph + 1 < offsets.Length; graph++)
        {
            for (int row = offsets[graph]; row < offsets[graph + 1]; row++)
            {
                _owners.Add(graph);
            }
        }

        return CollectionsMarshal.AsSpan(_owners);
    }

    private static InvalidOperationException Empty() => new("The graph has no edges or nodes yet; fill it first.");
}
