using KFac.Kernels;
using KFac.Reference;

namespace KFac.Nn.Tests;

/// <summary>A small network, and the same function in float64.</summary>
/// <param name="Forward">From flat parameters and flat inputs to flat outputs.</param>
/// <param name="Graph">What the layers read besides their input; null for nothing.</param>
internal sealed record LayerCase(
    Module Root, TensorShape Input, Func<double[], double[], double[]> Forward, Func<TestNetwork, LayerGraph>? Graph = null)
{
    private LayerGraph? _graph;

    /// <summary>Where examples' rows begin, and how rows hang together.</summary>
    public LayerGraph GraphOf(TestNetwork test) => _graph ??= Graph?.Invoke(test) ?? default(LayerGraph);

    public Variable Run(TestNetwork test) => test.Forward(Input, GraphOf(test).Segments, graph: GraphOf(test).Structure);
}

internal readonly record struct LayerGraph(SegmentOffsets? Segments, GraphStructure? Structure);

/// <summary>One case per layer kind, by a name that shows in the test's.</summary>
internal static class LayerCases
{
    public static IReadOnlyList<string> Names { get; } =
    [
        "linear", "linear without bias", "four dimensions", "relu", "tanh", "sigmoid", "gelu", "residual", "shared twice",
        "reshape", "mean", "sum", "inverse root", "attention", "residual attention",
        .. TransformerLayerCases.Names, .. GraphLayerCases.Names,
    ];

    public static LayerCase Make(string name) => name switch
    {
        "linear" => new(new Linear("a", 4, 3), TensorShape.Of(5, 4), (p, x) => NetworkFunctions.Linear(x, 4, p, 3, bias: true)),
        "linear without bias" => new(
            new Linear("a", 4, 3, bias: false), TensorShape.Of(5, 4), (p, x) => NetworkFunctions.Linear(x, 4, p, 3, bias: false)),
        "four dimensions" => TwoLayers(ActivationKind.Tanh, Math.Tanh, TensorShape.Of(2, 3, 2, 4)),
        "relu" => TwoLayers(ActivationKind.Relu, NetworkFunctions.Relu, TensorShape.Of(6, 4)),
        "tanh" => TwoLayers(ActivationKind.Tanh, Math.Tanh, TensorShape.Of(6, 4)),
        "sigmoid" => TwoLayers(ActivationKind.Sigmoid, NetworkFunctions.Sigmoid, TensorShape.Of(6, 4)),
        "gelu" => TwoLayers(ActivationKind.Gelu, NetworkFunctions.Gelu, TensorShape.Of(6, 4)),
        "residual" => ResidualBlocks(),
        "shared twice" => SharedTwice(),
        "reshape" => Reshaped(),
        "mean" => Aggregated(SharingScale.Mean, 1.0 / 6),
        "sum" => Aggregated(SharingScale.Sum, 1),
        "inverse root" => Aggregated(SharingScale.InverseSquareRoot, 1 / Math.Sqrt(6)),
        "attention" => Attention(),
        "residual attention" => ResidualAttention(),
        _ when TransformerLayerCases.Names.Contains(name) => TransformerLayerCases.Make(name),
        _ => GraphLayerCases.Make(name),
    };

    private static LayerCase TwoLayers(ActivationKind kind, Func<double, double> function, TensorShape input) => new(
        new Sequential(new Linear("a", 4, 5), new ActivationLayer(kind), new Linear("b", 5, 3)),
        input,
        (p, x) =>
        {
            double[] hidden = NetworkFunctions.Map(NetworkFunctions.Linear(x, 4, p.AsSpan(0, 25), 5, bias: true), function);
            return NetworkFunctions.Linear(hidden, 5, p.AsSpan(25), 3, bias: true);
        });

    /// <summary>Two residual blocks behind a trained layer: every gradient on the trunk is a sum.</summary>
    private static LayerCase ResidualBlocks() => new(
        new Sequential(
            new Linear("a", 4, 3),
            new Residual(new Sequential(new Linear("b", 3, 3), new ActivationLayer(ActivationKind.Tanh))),
            new Residual(new Linear("c", 3, 3))),
        TensorShape.Of(5, 4),
        (p, x) =>
        {
            double[] trunk = NetworkFunctions.Linear(x, 4, p.AsSpan(0, 15), 3, bias: true);
            double[] branch = NetworkFunctions.Linear(trunk, 3, p.AsSpan(15, 12), 3, bias: true);
            trunk = NetworkFunctions.Add(trunk, NetworkFunctions.Map(branch, Math.Tanh));
            return NetworkFunctions.Add(trunk, NetworkFunctions.Linear(trunk, 3, p.AsSpan(27), 3, bias: true));
        });

    private static LayerCase SharedTwice()
    {
        var shared = new Linear("a", 3, 3);
        return new(
            new Sequential(shared, new ActivationLayer(ActivationKind.Tanh), shared),
            TensorShape.Of(5, 3),
            (p, x) =>
            {
                double[] hidden = NetworkFunctions.Map(NetworkFunctions.Linear(x, 3, p, 3, bias: true), Math.Tanh);
                return NetworkFunctions.Linear(hidden, 3, p, 3, bias: true);
            });
    }

    private static LayerCase Reshaped() => new(
        new Sequential(new Linear("a", 4, 3), new Reshape(6), new Linear("b", 6, 4), new Reshape(2, 2), new Linear("c", 2, 3)),
        TensorShape.Of(3, 2, 4),
        (p, x) =>
        {
            double[] first = NetworkFunctions.Linear(x, 4, p.AsSpan(0, 15), 3, bias: true);
            double[] second = NetworkFunctions.Linear(first, 6, p.AsSpan(15, 28), 4, bias: true);
            return NetworkFunctions.Linear(second, 2, p.AsSpan(43), 3, bias: true);
        });

    private static LayerCase Aggregated(SharingScale scale, double factor) => new(
        new Sequential(new Linear("a", 4, 3), new MeanOverSharing(scale), new Linear("b", 3, 2)),
        TensorShape.Of(3, 2, 3, 4),
        (p, x) =>
        {
            double[] rows = NetworkFunctions.Linear(x, 4, p.AsSpan(0, 15), 3, bias: true);
            return NetworkFunctions.Linear(NetworkFunctions.Aggregate(rows, 6, 3, factor), 3, p.AsSpan(15), 2, bias: true);
        });

    private static LayerCase Attention() => new(
        new Sequential(new SimplifiedSelfAttention("a", 4, 2, 3), new Linear("b", 3, 2)),
        TensorShape.Of(3, 5, 4),
        (p, x) => NetworkFunctions.Linear(AttentionOf(x, p, 4, 2, 3), 3, p.AsSpan(28), 2, bias: true));

    /// <summary>The input of the attention is used by three layers and the skip connection.</summary>
    private static LayerCase ResidualAttention() => new(
        new Sequential(new Linear("a", 2, 3, bias: false), new Residual(new SimplifiedSelfAttention("b", 3, 2, 3))),
        TensorShape.Of(2, 4, 2),
        (p, x) =>
        {
            double[] rows = NetworkFunctions.Linear(x, 2, p.AsSpan(0, 6), 3, bias: false);
            return NetworkFunctions.Add(rows, AttentionOf(rows, p[6..], 3, 2, 3, sequence: 4));
        });

    private static double[] AttentionOf(double[] x, double[] p, int width, int keyWidth, int valueWidth, int sequence = 5)
    {
        int keys = width * keyWidth;
        double[] q = NetworkFunctions.Linear(x, width, p.AsSpan(0, keys), keyWidth, bias: false);
        double[] k = NetworkFunctions.Linear(x, width, p.AsSpan(keys, keys), keyWidth, bias: false);
        double[] v = NetworkFunctions.Linear(x, width, p.AsSpan(2 * keys, width * valueWidth), valueWidth, bias: false);
        return NetworkFunctions.SelfAttention(q, k, v, sequence, keyWidth, valueWidth);
    }
}
