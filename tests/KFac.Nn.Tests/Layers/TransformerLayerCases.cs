using KFac.Kernels;
using KFac.Reference;

namespace KFac.Nn.Tests;

/// <summary>The cases of <see cref="LayerCases"/> that transformers are made of.</summary>
internal static class TransformerLayerCases
{
    public static IReadOnlyList<string> Names { get; } =
        ["layer norm", "layer norm twice", "dropout", "positions", "multi-head attention", "patches", "one position"];

    public static LayerCase Make(string name) => name switch
    {
        "layer norm" => Normalized(),
        "layer norm twice" => NormalizedTwice(),
        "dropout" => DroppedOut(),
        "positions" => Positions(),
        "multi-head attention" => MultiHead(),
        "patches" => Patches(),
        "one position" => OnePosition(),
        _ => throw new ArgumentException(name),
    };

    private static LayerCase Normalized() => new(
        new Sequential(new LayerNormalization("n", 4, 0.1f), new Linear("a", 4, 3), new LayerNormalization("m", 3, 0.1f)),
        TensorShape.Of(2, 3, 4),
        (p, x) =>
        {
            double[] normal = LayerNormReference.Forward(x, p[..4], p[4..8], 0.1f);
            double[] rows = NetworkFunctions.Linear(normal, 4, p.AsSpan(8, 15), 3, bias: true);
            return LayerNormReference.Forward(rows, p[23..26], p[26..29], 0.1f);
        });

    private static LayerCase NormalizedTwice()
    {
        var shared = new LayerNormalization("n", 3, 0.1f);
        return new(
            new Sequential(shared, new ActivationLayer(ActivationKind.Tanh), shared, new Linear("a", 3, 3)),
            TensorShape.Of(5, 3),
            (p, x) =>
            {
                double[] hidden = NetworkFunctions.Map(LayerNormReference.Forward(x, p[..3], p[3..6], 0.1f), Math.Tanh);
                return NetworkFunctions.Linear(LayerNormReference.Forward(hidden, p[..3], p[3..6], 0.1f), 3, p.AsSpan(6), 3, bias: true);
            });
    }

    private static LayerCase DroppedOut() => new(
        new Sequential(new DropoutLayer(0.25f), new Linear("a", 4, 5), new DropoutLayer(0.5f), new Linear("b", 5, 3)),
        TensorShape.Of(6, 4),
        (p, x) =>
        {
            double[] hidden = NetworkFunctions.Linear(NetworkFunctions.Dropout(x, 0.25, 0, 1UL << 32), 4, p.AsSpan(0, 25), 5, bias: true);
            return NetworkFunctions.Linear(NetworkFunctions.Dropout(hidden, 0.5, 0, 2UL << 32), 5, p.AsSpan(25), 3, bias: true);
        });

    /// <summary>Shorter than there are positions.</summary>
    private static LayerCase Positions() => new(
        new Sequential(new Linear("a", 4, 3), new LearnedPositions("p", 7, 3), new ActivationLayer(ActivationKind.Tanh), new Linear("b", 3, 3)),
        TensorShape.Of(3, 5, 4),
        (p, x) =>
        {
            double[] rows = NetworkFunctions.Linear(x, 4, p.AsSpan(0, 15), 3, bias: true);
            double[] placed = [.. rows.Select((value, i) => Math.Tanh(value + p[15 + (i % 15)]))];
            return NetworkFunctions.Linear(placed, 3, p.AsSpan(36), 3, bias: true);
        });

    private static LayerCase MultiHead() => new(
        new Sequential(
            new Linear("a", 3, 4),
            new Residual(new MultiHeadAttention("m", new MultiHeadAttentionOptions { Width = 4, Heads = 2, Causal = true })),
            new Linear("b", 4, 3)),
        TensorShape.Of(2, 5, 3),
        (p, x) =>
        {
            double[] rows = NetworkFunctions.Linear(x, 3, p.AsSpan(0, 16), 4, bias: true);
            int[] offsets = [0, 5, 10];
            rows = NetworkFunctions.Add(rows, TransformerFunctions.Attention(rows, offsets, rows, offsets, p[16..96], 4, 2, causal: true));
            return NetworkFunctions.Linear(rows, 4, p.AsSpan(96), 3, bias: true);
        });

    /// <summary>Patches of trained pixels, behind a learned row.</summary>
    private static LayerCase Patches() => new(
        new Sequential(
            new Linear("a", 3, 2), new ImagePatches(2), new Linear("b", 8, 3), new ClassToken("t", 3), new ActivationLayer(ActivationKind.Tanh), new Linear("c", 3, 3)),
        TensorShape.Of(2, 4, 6, 3),
        (p, x) =>
        {
            double[] pixels = NetworkFunctions.Linear(x, 3, p.AsSpan(0, 8), 2, bias: true);
            double[] patches = PermuteReference.Run(pixels, [2, 2, 2, 3, 2, 2], [0, 1, 3, 5, 2, 4]);
            double[] rows = NetworkFunctions.Linear(patches, 8, p.AsSpan(8, 27), 3, bias: true);
            double[] token = p[35..38];
            double[] all = [.. token, .. rows[..18], .. token, .. rows[18..]];
            return NetworkFunctions.Linear(NetworkFunctions.Map(all, Math.Tanh), 3, p.AsSpan(38), 3, bias: true);
        });

    private static LayerCase OnePosition() => new(
        new Sequential(new Linear("a", 4, 3), new SelectPosition(1), new Linear("b", 3, 3)),
        TensorShape.Of(2, 3, 4),
        (p, x) =>
        {
            double[] rows = NetworkFunctions.Linear(x, 4, p.AsSpan(0, 15), 3, bias: true);
            return NetworkFunctions.Linear([.. rows[3..6], .. rows[12..15]], 3, p.AsSpan(15), 3, bias: true);
        });
}
