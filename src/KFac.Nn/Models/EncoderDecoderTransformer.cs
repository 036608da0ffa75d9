namespace KFac.Nn;

/// <summary>Settings of an encoder-decoder transformer (Vaswani et al. 2017); the defaults are the base model's with two blocks on
/// either side, the "Transformer Shallow" of Shallue et al. (2018) and of the noisy-quadratic paper.</summary>
public sealed record EncoderDecoderTransformerOptions
{
    /// <summary>V, shared by source and target.</summary>
    public required int Vocabulary { get; init; }

    /// <summary>The most tokens of a source or target.</summary>
    public required int Length { get; init; }

    /// <summary>d.</summary>
    public int Width { get; init; } = 512;

    /// <summary>Width of the perceptrons' hidden layers.</summary>
    public int HiddenWidth { get; init; } = 2048;

    /// <summary>H; divides the width.</summary>
    public int Heads { get; init; } = 8;

    /// <summary>Blocks of the encoder, and of the decoder.</summary>
    public int Depth { get; init; } = 2;

    /// <summary>Share that is dropped of the embeddings and of what each branch adds, 0 to less than 1.</summary>
    public float Dropout { get; init; } = 0.1f;

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate() => LayerWidths.Validate([Vocabulary, Length, Width, HiddenWidth, Heads, Depth]);
}

/// <summary>An encoder of source tokens and a causal decoder of target tokens: logits [M, T, V] of the next target tokens.</summary>
/// <remarks>
/// Norms follow each branch's addition, as in the paper. One table [V, d] embeds source and target and projects to logits. Positions
/// are learned (the paper's table 3, row E: as good as sines). Source tokens are the <see cref="Variable.Context"/> of the target's:
/// call <see cref="Network.Forward(in TokenSequences, in TokenSequences)"/>. Layers are named <c>encoder1.attention.query</c>, …,
/// <c>decoder1.cross.query</c>, ….
/// </remarks>
public sealed class EncoderDecoderTransformer : Module
{
    private readonly TokenEmbedding _embedding;
    private readonly LearnedPositions _sourcePositions;
    private readonly LearnedPositions _targetPositions;
    private readonly DropoutLayer _dropout;
    private readonly PostNormBlock[] _encoder;
    private readonly PostNormBlock[] _decoder;
    private readonly TiedProjection _projection;

    private EncoderDecoderTransformer(EncoderDecoderTransformerOptions options)
    {
        float deviation = (float)(1 / Math.Sqrt(options.Width));
        _embedding = new TokenEmbedding("tokens", options.Vocabulary, options.Width, deviation);
        _sourcePositions = new LearnedPositions("sourcePositions", options.Length, options.Width, deviation);
        _targetPositions = new LearnedPositions("targetPositions", options.Length, options.Width, deviation);
        _dropout = new DropoutLayer(options.Dropout);
        _encoder = [.. Enumerable.Range(1, options.Depth).Select(i => new PostNormBlock($"encoder{i}", options, isDecoder: false))];
        _decoder = [.. Enumerable.Range(1, options.Depth).Select(i => new PostNormBlock($"decoder{i}", options, isDecoder: true))];
        _projection = new TiedProjection(_embedding);
    }

    /// <summary>Builds the model.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static Module Build(EncoderDecoderTransformerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        return new EncoderDecoderTransformer(options);
    }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        Variable source = input.Context
            ?? throw new ArgumentException("The encoder-decoder is given target tokens alone; wanted source tokens as their context.", nameof(input));
        Variable memory = _dropout.Forward(tape, _sourcePositions.Forward(tape, _embedding.Forward(tape, source)));
        foreach (PostNormBlock block in _encoder)
        {
            memory = block.Forward(tape, memory);
        }

        Variable target = _dropout.Forward(tape, _targetPositions.Forward(tape, _embedding.Forward(tape, input)));
        foreach (PostNormBlock block in _decoder)
        {
            target = block.Forward(tape, target, memory);
        }

        return _projection.Forward(tape, target);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        _embedding.Register(registry);
        _sourcePositions.Register(registry);
        _targetPositions.Register(registry);
        foreach (PostNormBlock block in (ReadOnlySpan<PostNormBlock>)[.. _encoder, .. _decoder])
        {
            block.Register(registry);
        }
    }
}
