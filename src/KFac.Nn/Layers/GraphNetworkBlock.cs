using KFac.Kernels;

namespace KFac.Nn;

/// <summary>What a graph network knows of its graphs.</summary>
/// <param name="Edges">[edges, width], ragged by graph.</param>
/// <param name="Nodes">[nodes, width], ragged by graph.</param>
/// <param name="Globals">[graphs, width]; null before the first block.</param>
internal readonly record struct GraphState(Variable Edges, Variable Nodes, Variable? Globals);

/// <summary>One round of message passing (Battaglia et al. 2018, algorithm 1): edges, then nodes, then globals are updated.</summary>
/// <remarks>
/// With ρ the aggregation, <c>e′ = φᵉ(e, v_s, v_t, u_n)</c> for an edge of graph n from node s to node t,
/// <c>v′ = φᵛ(v, ρ e′ that leave it, ρ e′ that reach it, u_n)</c> and <c>u′ = φᵘ(ρ v′, ρ e′, u)</c>. Before the first block
/// there are no globals; zeros in their place, as other implementations have them, would give the same outputs.
/// </remarks>
internal sealed class GraphNetworkBlock
{
    private readonly GraphAggregation _aggregation;
    private readonly Sequential _edgeUpdate;
    private readonly Sequential _nodeUpdate;
    private readonly Sequential _globalUpdate;

    /// <param name="name">Layers are named <c>name.edges.linear1</c>, <c>name.edges.norm1</c>, …, likewise <c>nodes</c> and <c>globals</c>.</param>
    /// <param name="width">Of the incoming edges and nodes; outgoing ones have the last hidden width.</param>
    /// <param name="globalWidth">Of the incoming globals; 0 before the first block.</param>
    public GraphNetworkBlock(string name, int width, int globalWidth, GraphNetworkOptions options)
    {
        int hidden = options.HiddenWidths[^1];
        _aggregation = options.Aggregation;
        _edgeUpdate = Update($"{name}.edges", (3 * width) + globalWidth, options);
        _nodeUpdate = Update($"{name}.nodes", width + (2 * hidden) + globalWidth, options);
        _globalUpdate = Update($"{name}.globals", (2 * hidden) + globalWidth, options);
    }

    public GraphState Forward(Tape tape, MessageGraph graph, in GraphState state)
    {
        Variable edges = _edgeUpdate.Forward(tape, EdgeInputs(tape, graph, state));
        Variable nodes = _nodeUpdate.Forward(tape, NodeInputs(tape, graph, state, edges));
        Variable globals = _globalUpdate.Forward(tape, GlobalInputs(tape, graph, state, edges, nodes));
        return new GraphState(edges, nodes, globals);
    }

    public void Register(ParameterRegistry registry)
    {
        _edgeUpdate.Register(registry);
        _nodeUpdate.Register(registry);
        _globalUpdate.Register(registry);
    }

    private static Sequential Update(string name, int inputWidth, GraphNetworkOptions options)
    {
        var modules = new List<Module>(4 * options.HiddenWidths.Count);
        for (int i = 0; i < options.HiddenWidths.Count; i++)
        {
            int width = options.HiddenWidths[i];
            modules.Add(new Linear($"{name}.linear{i + 1}", i == 0 ? inputWidth : options.HiddenWidths[i - 1], width));
            modules.Add(new LayerNormalization($"{name}.norm{i + 1}", width));
            modules.Add(new ActivationLayer(options.Activation));
            modules.Add(new DropoutLayer(options.Dropout));
        }

        return new Sequential([.. modules]);
    }

    private static Variable EdgeInputs(Tape tape, MessageGraph graph, in GraphState state)
    {
        var source = new ConcatenatedPart(state.Nodes, graph.SourceToEdges);
        var target = new ConcatenatedPart(state.Nodes, graph.TargetToEdges);
        var own = new ConcatenatedPart(state.Edges, null);
        TensorShape rows = state.Edges.Shape;
        return state.Globals is Variable globals
            ? Concatenation.Of(tape, rows, graph.EdgeSegments, own, source, target, new(globals, graph.GraphToEdges))
            : Concatenation.Of(tape, rows, graph.EdgeSegments, own, source, target);
    }

    private ConcatenatedPart Gather(Tape tape, Variable value, RowMap map, TensorShape rows, SegmentOffsets? segments) =>
        _aggregation == GraphAggregation.Max
            ? new ConcatenatedPart(RowMaximum.Of(tape, value, map, rows, segments), null)
            : new ConcatenatedPart(value, map);

    private Variable NodeInputs(Tape tape, MessageGraph graph, in GraphState state, Variable edges)
    {
        TensorShape rows = state.Nodes.Shape;
        ConcatenatedPart sent = Gather(tape, edges, graph.EdgesToSource, rows, graph.NodeSegments);
        ConcatenatedPart received = Gather(tape, edges, graph.EdgesToTarget, rows, graph.NodeSegments);
        var own = new ConcatenatedPart(state.Nodes, null);
        return state.Globals is Variable globals
            ? Concatenation.Of(tape, rows, graph.NodeSegments, own, sent, received, new(globals, graph.GraphToNodes))
            : Concatenation.Of(tape, rows, graph.NodeSegments, own, sent, received);
    }

    private Variable GlobalInputs(Tape tape, MessageGraph graph, in GraphState state, Variable edges, Variable nodes)
    {
        TensorShape rows = TensorShape.Of(graph.NodeSegments.Segments, 1);
        ConcatenatedPart nodesOfGraph = Gather(tape, nodes, graph.NodesToGraph, rows, null);
        ConcatenatedPart edgesOfGraph = Gather(tape, edges, graph.EdgesToGraph, rows, null);
        return state.Globals is Variable globals
            ? Concatenation.Of(tape, rows, null, nodesOfGraph, edgesOfGraph, new(globals, null))
            : Concatenation.Of(tape, rows, null, nodesOfGraph, edgesOfGraph);
    }
}
