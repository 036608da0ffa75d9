namespace KFac.Nn;

/// <summary>Settings of a generative transformer in GPT-2's layout (Radford et al. 2019).</summary>
public sealed record GenerativeTransformerOptions
{
    /// <summary>GPT-2 with 124 million parameters.</summary>
    public static GenerativeTransformerOptions Gpt2Small { get; } = new()
    {
        Vocabulary = 50_257,
        Length = 1024,
        Width = 768,
        Depth = 12,
        Heads = 12,
    };

    /// <summary>V.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>The most tokens of a sequence.</summary>
    public required int Length { get; init; }

    /// <summary>d.</summary>
    public required int Width { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Depth { get; init; }

    /// <summary>H; divides the width.</summary>
    public required int Heads { get; init; }

    /// <summary>Whether linear layers have biases.</summary>
    public bool Bias { get; init; } = true;

    /// <summary>Share that is dropped of the embeddings and of what each branch adds, 0 to less than 1.</summary>
    public float Dropout { get; init; }

    /// <summary>Whether the output projection is the embedding's table.</summary>
    public bool TieWeights { get; init; } = true;

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate() => LayerWidths.Validate([Vocabulary, Length, Width, Depth, Heads]);
}

/// <summary>Builds GPT-2: tokens → embedding → positions → causal pre-norm blocks → norm → logits [M, T, V] of the next tokens.</summary>
/// <remarks>Weights start normal with deviation 0.02, those of the last layer of each branch with <c>0.02/√(2·depth)</c>.</remarks>
public static class GenerativeTransformer
{
    private const float StandardDeviation = 0.02f;

    /// <summary>Builds the modules; layers are named <c>tokens</c>, <c>positions</c>, <c>block1.attention.query</c>, …, <c>head</c>.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static Module Build(GenerativeTransformerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var embedding = new TokenEmbedding("tokens", options.Vocabulary, options.Width, StandardDeviation);
        var modules = new List<Module>
        {
            embedding,
            new LearnedPositions("positions", options.Length, options.Width, StandardDeviation),
            new DropoutLayer(options.Dropout),
        };
        for (int i = 1; i <= options.Depth; i++)
        {
            modules.Add(TransformerBlock.Build($"block{i}", new TransformerBlockOptions
            {
                Width = options.Width,
                Heads = options.Heads,
                HiddenWidth = 4 * options.Width,
                Causal = true,
                Bias = options.Bias,
                Dropout = options.Dropout,
                StandardDeviation = StandardDeviation,
                BranchStandardDeviation = (float)(StandardDeviation / Math.Sqrt(2 * options.Depth)),
            }));
        }

        modules.Add(new LayerNormalization("norm", options.Width));
        modules.Add(options.TieWeights
            ? new TiedProjection(embedding)
            : new Linear("head", options.Width, options.Vocabulary, bias: false) { StandardDeviation = StandardDeviation });
        return new Sequential([.. modules]);
    }
}
