using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Settings of a pre-norm transformer block.</summary>
public sealed record TransformerBlockOptions
{
    /// <summary>d.</summary>
    public required int Width { get; init; }

    /// <summary>H; divides the width.</summary>
    public required int Heads { get; init; }

    /// <summary>Width of the perceptron's hidden layer.</summary>
    public required int HiddenWidth { get; init; }

    /// <summary>Whether a position sees only itself and those before it.</summary>
    public bool Causal { get; init; }

    /// <summary>Whether linear layers have biases.</summary>
    public bool Bias { get; init; } = true;

    /// <summary>Share that is dropped of what each branch adds, 0 to less than 1.</summary>
    public float Dropout { get; init; }

    /// <summary>Standard deviation of the initial weights; null for Glorot's.</summary>
    public float? StandardDeviation { get; init; }

    /// <summary>The same for the last layer of each branch; null to follow the others.</summary>
    public float? BranchStandardDeviation { get; init; }
}

/// <summary>Builds <c>x + attention(norm(x))</c>, then <c>x + W₂·GELU(W₁·norm(x))</c>: the block of ViT and GPT-2.</summary>
public static class TransformerBlock
{
    /// <summary>Builds the modules; layers are named <c>name.attention.query</c>, …, <c>name.hidden</c> and <c>name.projection</c>.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static Module Build(string name, TransformerBlockOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var attention = new MultiHeadAttention($"{name}.attention", new MultiHeadAttentionOptions
        {
            Width = options.Width,
            Heads = options.Heads,
            Causal = options.Causal,
            Bias = options.Bias,
            StandardDeviation = options.StandardDeviation,
            OutputStandardDeviation = options.BranchStandardDeviation,
        });
        return new Sequential(
            new Residual(new Sequential(new LayerNormalization($"{name}.norm1", options.Width), attention, new DropoutLayer(options.Dropout))),
            new Residual(new Sequential(
                new LayerNormalization($"{name}.norm2", options.Width),
                Linear($"{name}.hidden", options.Width, options.HiddenWidth, options, options.StandardDeviation),
                new ActivationLayer(ActivationKind.Gelu),
                Linear($"{name}.projection", options.HiddenWidth, options.Width, options, options.BranchStandardDeviation ?? options.StandardDeviation),
                new DropoutLayer(options.Dropout))));
    }

    private static Linear Linear(string name, int inputs, int outputs, TransformerBlockOptions options, float? standardDeviation) =>
        new(name, inputs, outputs, options.Bias, WeightInitialization.Glorot) { StandardDeviation = standardDeviation };
}
