using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Settings of <see cref="MultiHeadAttention"/>.</summary>
public sealed record MultiHeadAttentionOptions
{
    /// <summary>d, of inputs and outputs.</summary>
    public required int Width { get; init; }

    /// <summary>H; divides the width.</summary>
    public required int Heads { get; init; }

    /// <summary>Whether a position sees only itself and those before it.</summary>
    public bool Causal { get; init; }

    /// <summary>Whether the four projections have biases.</summary>
    public bool Bias { get; init; } = true;

    /// <summary>How the projections start.</summary>
    public WeightInitialization Initialization { get; init; } = WeightInitialization.Glorot;

    /// <summary>Standard deviation of the projections' normal initial weights; null to follow <see cref="Initialization"/>.</summary>
    public float? StandardDeviation { get; init; }

    /// <summary>The same for the output projection alone; null to follow the others.</summary>
    public float? OutputStandardDeviation { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        if (Width < 1 || Heads < 1 || Width % Heads != 0)
        {
            throw new ArgumentException($"Attention of width {Width} has {Heads} heads; wanted at least 1 of each, and heads that divide the width.");
        }
    }
}

/// <summary>Multi-head attention (Vaswani et al. 2017): <c>softmax(QKᵀ/√(d/H))·V</c> per head, between linear projections.</summary>
/// <remarks>
/// [M, T, d] keeps its shape; ragged [R_M, d] does too, and is padded inside the fused kernel alone: padding never enters a
/// linear layer or a factor. Memory is linear in T. The four projections <c>name.query</c>, <c>name.key</c>, <c>name.value</c> and
/// <c>name.output</c> are layers with Kronecker factors. There is no dropout on the softmax's weights, which are never stored.
/// </remarks>
public sealed class MultiHeadAttention : Module
{
    private readonly string _name;
    private readonly MultiHeadAttentionOptions _options;
    private readonly Linear _query;
    private readonly Linear _key;
    private readonly Linear _value;
    private readonly Linear _output;

    /// <summary>Describes the layer.</summary>
    /// <param name="name">Unique within the network.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public MultiHeadAttention(string name, MultiHeadAttentionOptions options)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        _name = name;
        _options = options;
        _query = Projection("query", options.StandardDeviation);
        _key = Projection("key", options.StandardDeviation);
        _value = Projection("value", options.StandardDeviation);
        _output = Projection("output", options.OutputStandardDeviation ?? options.StandardDeviation);
    }

    /// <summary>Self-attention.</summary>
    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input) => Forward(tape, input, input);

    /// <summary>Cross-attention: queries from the input, keys and values from the context.</summary>
    /// <param name="context">As many examples, [M, K, d] or ragged.</param>
    /// <exception cref="ArgumentException">A shape does not fit; the message names the layer.</exception>
    public Variable Forward(Tape tape, Variable input, Variable context)
    {
        ArgumentNullException.ThrowIfNull(tape);
        CheckSequences(input, "inputs");
        CheckSequences(context, "context");
        if (input.Examples != context.Examples)
        {
            throw new ArgumentException(
                $"Layer '{_name}' is given {input.Examples} sequences and context of {context.Examples}; wanted as many.", nameof(context));
        }

        Variable query = _query.Forward(tape, input);
        Variable key = _key.Forward(tape, context);
        Variable value = _value.Forward(tape, context);
        ScaledDotProductOperation operation = tape.Rent<ScaledDotProductOperation>();
        MatrixView<float> y = operation.Forward(tape, query, key, value, _options.Heads, _options.Causal);
        Variable mixed = tape.Record(operation, y, input.Shape.WithColumns(_options.Width), input.Segments, needsGradient: true);
        return _output.Forward(tape, mixed);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        _query.Register(registry);
        _key.Register(registry);
        _value.Register(registry);
        _output.Register(registry);
    }

    private Linear Projection(string part, float? standardDeviation) =>
        new($"{_name}.{part}", _options.Width, _options.Width, _options.Bias, _options.Initialization) { StandardDeviation = standardDeviation };

    private void CheckSequences(Variable input, string what)
    {
        if ((input.Segments is null && input.Shape.Rank != 3) || input.Shape.Columns != _options.Width)
        {
            throw new ArgumentException(
                $"Layer '{_name}' is given {what} {input.Shape}; wanted [examples, sequence, {_options.Width}], or ragged sequences of that width.",
                nameof(input));
        }
    }
}
