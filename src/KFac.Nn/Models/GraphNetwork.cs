using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Settings of a graph network; the defaults are those of AlgoPerf's ogbg workload (Dahl et al. 2023).</summary>
public sealed record GraphNetworkOptions
{
    /// <summary>Features of a node.</summary>
    public required int NodeFeatures { get; init; }

    /// <summary>Features of an edge.</summary>
    public required int EdgeFeatures { get; init; }

    /// <summary>Width of the output, one row per graph.</summary>
    public required int OutputWidth { get; init; }

    /// <summary>Width that nodes and edges are embedded in.</summary>
    public int EmbeddingWidth { get; init; } = 256;

    /// <summary>Widths of each update's layers; the last is that of edges, nodes and globals between blocks.</summary>
    public IReadOnlyList<int> HiddenWidths { get; init; } = [256];

    /// <summary>Rounds of message passing, at least 1.</summary>
    public int Blocks { get; init; } = 5;

    /// <summary>How nodes gather edges and graphs gather nodes and edges.</summary>
    public GraphAggregation Aggregation { get; init; } = GraphAggregation.Sum;

    /// <summary>Non-linearity of the updates.</summary>
    public ActivationKind Activation { get; init; } = ActivationKind.Relu;

    /// <summary>Share of each update's outputs that is dropped in training.</summary>
    public float Dropout { get; init; } = 0.1f;

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        ArgumentNullException.ThrowIfNull(HiddenWidths);
        int[] widths = [NodeFeatures, EdgeFeatures, EmbeddingWidth, .. HiddenWidths, OutputWidth];
        LayerWidths.Validate(widths);
        if (HiddenWidths.Count == 0 || Blocks < 1)
        {
            throw new ArgumentException(
                $"A graph network is given {Blocks} blocks whose updates have {HiddenWidths.Count} layers; wanted at least 1 of each.");
        }

        _ = new MessageGraph(Aggregation);
        _ = new ActivationLayer(Activation);
        _ = new DropoutLayer(Dropout);
    }
}

/// <summary>Builds a graph network: linear embeddings, blocks whose edge, node and global updates are layers of
/// <c>linear → layer norm → activation → dropout</c> on what they concatenate, and a linear decoder of the globals.</summary>
public static class GraphNetwork
{
    /// <summary>Builds the module; its input is the nodes, ragged by graph, and its forward pass wants
    /// <see cref="GraphStructure.Messages"/> with the same aggregation.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static Module Build(GraphNetworkOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return new GraphNetworkModule(options);
    }
}
