using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Embeds nodes and edges linearly, passes messages block by block, and decodes the globals linearly.</summary>
/// <remarks>The input is the nodes, [nodes, features], ragged by graph; edges come from the tape's <see cref="GraphStructure.Messages"/>.
/// The output is one row per graph, [graphs, outputs]. Linear layers on nodes and edges see ragged examples, those on
/// globals one row per example.</remarks>
internal sealed class GraphNetworkModule : Module
{
    private readonly GraphAggregation _aggregation;
    private readonly Linear _nodeEmbedding;
    private readonly Linear _edgeEmbedding;
    private readonly GraphNetworkBlock[] _blocks;
    private readonly Linear _decoder;

    public GraphNetworkModule(GraphNetworkOptions options)
    {
        int hidden = options.HiddenWidths[^1];
        _aggregation = options.Aggregation;
        _nodeEmbedding = new Linear("nodes.embedding", options.NodeFeatures, options.EmbeddingWidth, bias: true, WeightInitialization.Glorot);
        _edgeEmbedding = new Linear("edges.embedding", options.EdgeFeatures, options.EmbeddingWidth, bias: true, WeightInitialization.Glorot);
        _blocks = new GraphNetworkBlock[options.Blocks];
        for (int i = 0; i < _blocks.Length; i++)
        {
            _blocks[i] = new GraphNetworkBlock($"block{i + 1}", i == 0 ? options.EmbeddingWidth : hidden, i == 0 ? 0 : hidden, options);
        }

        _decoder = new Linear("decoder", hidden, options.OutputWidth, bias: true, WeightInitialization.Glorot);
    }

    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        MessageGraph graph = tape.Graph?.Messages
            ?? throw new InvalidOperationException("A graph network is given no edges; pass a graph structure with messages to Forward.");
        if (graph.Aggregation != _aggregation)
        {
            throw new ArgumentException(
                $"A graph network that aggregates by {_aggregation} is given edges that aggregate by {graph.Aggregation}; wanted the same.", nameof(tape));
        }

        if (!ReferenceEquals(input.Segments, graph.NodeSegments))
        {
            throw new ArgumentException(
                $"A graph network is given {input.Shape} nodes that are not segmented as those of its edges; pass the node segments of its message graph.",
                nameof(input));
        }

        MatrixView<float> features = graph.EdgeFeatures;
        Variable edges = tape.Input(features, TensorShape.Of(features.Rows, features.Columns), graph.EdgeSegments);
        var state = new GraphState(_edgeEmbedding.Forward(tape, edges), _nodeEmbedding.Forward(tape, input), null);
        foreach (GraphNetworkBlock block in _blocks)
        {
            state = block.Forward(tape, graph, state);
        }

        return _decoder.Forward(tape, state.Globals!.Value);
    }

    public override void Register(ParameterRegistry registry)
    {
        _nodeEmbedding.Register(registry);
        _edgeEmbedding.Register(registry);
        foreach (GraphNetworkBlock block in _blocks)
        {
            block.Register(registry);
        }

        _decoder.Register(registry);
    }
}
