namespace KFac.Reference;

/// <summary>Transformers in float64, sequence by sequence, from their equations; parameters are one flat array in the models' order.</summary>
public static class TransformerFunctions
{
    private const double Epsilon = 1e-5f;

    /// <summary>Multi-head attention with projections q, k, v, o, each [d, d + 1] with the bias last.</summary>
    /// <param name="offsets">Where sequences of x begin, and the end.</param>
    public static double[] Attention(
        double[] x, int[] offsets, double[] context, int[] contextOffsets, double[] p, int width, int heads, bool causal)
    {
        int block = width * (width + 1);
        double[] q = NetworkFunctions.Linear(x, width, p.AsSpan(0, block), width, bias: true);
        double[] k = NetworkFunctions.Linear(context, width, p.AsSpan(block, block), width, bias: true);
        double[] v = NetworkFunctions.Linear(context, width, p.AsSpan(2 * block, block), width, bias: true);
        var mixed = new List<double>();
        for (int n = 0; n < offsets.Length - 1; n++)
        {
            (int queries, int keys) = (offsets[n + 1] - offsets[n], contextOffsets[n + 1] - contextOffsets[n]);
            var one = new AttentionCase(
                1, heads, queries, keys, width / heads, width / heads, 1 / Math.Sqrt((double)width / heads), causal, [keys]);
            mixed.AddRange(AttentionReference.Forward(
                one, Rows(q, offsets, n, width), Rows(k, contextOffsets, n, width), Rows(v, contextOffsets, n, width)));
        }

        return NetworkFunctions.Linear([.. mixed], width, p.AsSpan(3 * block, block), width, bias: true);
    }

    /// <summary>Logits of GPT-2 with one block and tied weights.</summary>
    public static double[] Generative(int[] tokens, int[] offsets, double[] p, int vocabulary, int length, int width, int heads)
    {
        var parameters = new Reader(p);
        double[] table = parameters.Take(vocabulary * width);
        double[] x = Embed(tokens, offsets, table, parameters.Take(length * width), width);
        double[] normal = Norm(x, parameters, width);
        x = NetworkFunctions.Add(x, Attention(normal, offsets, normal, offsets, parameters.Take(4 * width * (width + 1)), width, heads, causal: true));
        normal = Norm(x, parameters, width);
        double[] hidden = NetworkFunctions.Linear(normal, width, parameters.Take(4 * width * (width + 1)), 4 * width, bias: true);
        hidden = NetworkFunctions.Map(hidden, NetworkFunctions.Gelu);
        x = NetworkFunctions.Add(x, NetworkFunctions.Linear(hidden, 4 * width, parameters.Take(width * ((4 * width) + 1)), width, bias: true));
        return NetworkFunctions.Linear(Norm(x, parameters, width), width, table, vocabulary, bias: false);
    }

    /// <summary>Logits of the encoder-decoder with one block on either side.</summary>
    public static double[] EncoderDecoder(
        int[] source, int[] sourceOffsets, int[] target, int[] targetOffsets, double[] p, int vocabulary, int length, int width, int hidden, int heads)
    {
        var parameters = new Reader(p);
        double[] table = parameters.Take(vocabulary * width);
        double[] memory = Embed(source, sourceOffsets, table, parameters.Take(length * width), width);
        double[] x = Embed(target, targetOffsets, table, parameters.Take(length * width), width);
        int attention = 4 * width * (width + 1);
        memory = Norm(
            NetworkFunctions.Add(memory, Attention(memory, sourceOffsets, memory, sourceOffsets, parameters.Take(attention), width, heads, causal: false)),
            parameters,
            width);
        memory = Perceptron(memory, parameters, width, hidden);
        x = Norm(
            NetworkFunctions.Add(x, Attention(x, targetOffsets, x, targetOffsets, parameters.Take(attention), width, heads, causal: true)), parameters, width);
        x = Norm(
            NetworkFunctions.Add(x, Attention(x, targetOffsets, memory, sourceOffsets, parameters.Take(attention), width, heads, causal: false)),
            parameters,
            width);
        return NetworkFunctions.Linear(Perceptron(x, parameters, width, hidden), width, table, vocabulary, bias: false);
    }

    /// <summary>norm(x + W₂·relu(W₁·x)).</summary>
    private static double[] Perceptron(double[] x, Reader parameters, int width, int hidden)
    {
        double[] first = NetworkFunctions.Linear(x, width, parameters.Take(hidden * (width + 1)), hidden, bias: true);
        first = NetworkFunctions.Map(first, NetworkFunctions.Relu);
        double[] second = NetworkFunctions.Linear(first, hidden, parameters.Take(width * (hidden + 1)), width, bias: true);
        return Norm(NetworkFunctions.Add(x, second), parameters, width);
    }

    private static double[] Norm(double[] x, Reader parameters, int width) =>
        LayerNormReference.Forward(x, parameters.Take(width), parameters.Take(width), Epsilon);

    private static double[] Embed(int[] tokens, int[] offsets, double[] table, double[] positions, int width)
    {
        double[] x = RowGatherReference.Gather(table, width, tokens);
        for (int n = 0; n < offsets.Length - 1; n++)
        {
            for (int i = offsets[n] * width; i < offsets[n + 1] * width; i++)
            {
                x[i] += positions[i - (offsets[n] * width)];
            }
        }

        return x;
    }

    private static double[] Rows(double[] x, int[] offsets, int n, int width) => x[(offsets[n] * width)..(offsets[n + 1] * width)];

    /// <summary>Hands out a flat array piece by piece.</summary>
    private sealed class Reader(double[] all)
    {
        private int _next;

        public double[] Take(int count) => all[_next..(_next += count)];
    }
}
