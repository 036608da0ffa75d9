using KFac.Kernels;
using KFac.Reference;

namespace KFac.Nn.Tests;

/// <summary>One case per kind of layer on graphs.</summary>
internal static class GraphLayerCases
{
    public static IReadOnlyList<(int Source, int Target)> Edges { get; } = [(0, 1), (1, 2), (2, 0), (3, 1), (1, 3), (4, 4), (0, 1)];

    public static IReadOnlyList<string> Names { get; } =
    [
        "graph convolution", "narrow graph convolution", "two graph convolutions",
        "graph network sum", "graph network mean", "graph network max", "graph network of two layers",
    ];

    public static LayerCase Make(string name) => name switch
    {
        "graph convolution" => Convolutions([2, 3], bias: true),
        "narrow graph convolution" => Convolutions([4, 3], bias: true),
        "two graph convolutions" => Convolutions([4, 2, 3], bias: false),
        "graph network sum" => Messages(GraphAggregation.Sum, [4]),
        "graph network mean" => Messages(GraphAggregation.Mean, [4]),
        "graph network max" => Messages(GraphAggregation.Max, [4]),
        "graph network of two layers" => Messages(GraphAggregation.Sum, [5, 4]),
        _ => throw new ArgumentException(name),
    };

    /// <summary>Four graphs: a triangle with a tail, one without edges, one without nodes, and a pair; edges of two features.</summary>
    public static GraphFunctions.Batch FourGraphs { get; } = new(
        [0, 4, 5, 5, 7], [0, 6, 6, 6, 8], [0, 1, 2, 2, 3, 1, 5, 6], [1, 2, 0, 3, 2, 2, 6, 5], [.. Enumerable.Range(0, 16).Select(i => Math.Round(Math.Sin(i), 3))]);

    /// <summary>One graph of six nodes, the last two without neighbours; edges doubled, both ways, and from a node to itself.</summary>
    public static Graphs SixNodes() => new(
        [0, 6], [0, Edges.Count], [.. Edges.Select(static edge => edge.Source)], [.. Edges.Select(static edge => edge.Target)]);

    private static LayerCase Convolutions(int[] widths, bool bias)
    {
        double[,] adjacency = GraphFunctions.NormalizedAdjacency(6, Edges);
        List<Module> modules = [];
        for (int i = 1; i < widths.Length; i++)
        {
            modules.AddRange(i > 1 ? [new ActivationLayer(ActivationKind.Tanh)] : []);
            modules.Add(new GraphConvolution($"c{i}", widths[i - 1], widths[i], bias));
        }

        return new(new Sequential([.. modules]), TensorShape.Of(6, widths[0]), Forward, MakeGraph);

        double[] Forward(double[] p, double[] x)
        {
            int offset = 0;
            for (int i = 1; i < widths.Length; i++)
            {
                x = i > 1 ? NetworkFunctions.Map(x, Math.Tanh) : x;
                int length = widths[i] * (widths[i - 1] + (bias ? 1 : 0));
                double[] aggregated = GraphFunctions.Multiply(adjacency, x, widths[i - 1]);
                x = NetworkFunctions.Linear(aggregated, widths[i - 1], p.AsSpan(offset, length), widths[i], bias);
                offset += length;
            }

            return x;
        }
    }

    private static LayerGraph MakeGraph(TestNetwork test) => new(
        null, new GraphStructure { NormalizedAdjacency = NormalizedAdjacency.Of(test.Stream, test.Arena, SixNodes()) });

    private static LayerCase Messages(GraphAggregation aggregation, int[] hidden)
    {
        var options = new GraphNetworkOptions
        {
            NodeFeatures = 3,
            EdgeFeatures = 2,
            OutputWidth = 3,
            EmbeddingWidth = 2,
            HiddenWidths = hidden,
            Blocks = 2,
            Aggregation = aggregation,
            Activation = ActivationKind.Tanh,
            Dropout = 0,
        };
        var reference = new GraphFunctions.Network(aggregation.ToString(), 3, 2, 2, hidden, 2, 3);
        return new(
            GraphNetwork.Build(options),
            TensorShape.Of(FourGraphs.Nodes, 3),
            (p, x) => reference.Forward(p, FourGraphs, x),
            test => MakeMessages(test, aggregation));
    }

    private static LayerGraph MakeMessages(TestNetwork test, GraphAggregation aggregation)
    {
        MatrixView<float> features = test.Arena.Matrix<float>(FourGraphs.Sources.Length, 2);
        test.Stream.Upload<float>(Array.ConvertAll(FourGraphs.EdgeFeatures, static value => (float)value), features);
        var messages = new MessageGraph(aggregation);
        messages.Fill(
            test.Stream, test.Arena, FourGraphs.NodeOffsets, FourGraphs.EdgeOffsets, FourGraphs.Sources, FourGraphs.Targets, features);
        return new(messages.NodeSegments, new GraphStructure { Messages = messages });
    }
}
