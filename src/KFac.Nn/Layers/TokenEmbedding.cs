using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A table with one row per token: <c>y = E[token]</c>, in O(tokens).</summary>
/// <remarks>Tokens [M, T] become [M, T, d], ragged ones [R_M, d]. The table <c>name.weight</c> is [V, d], a layer with a diagonal factor
/// for its rows (<see cref="KroneckerLayer.HasDiagonalOutput"/>); <see cref="TiedProjection"/> can use it a second time.</remarks>
public sealed class TokenEmbedding : Module
{
    private readonly float _standardDeviation;
    private ParameterRegistry? _registry;

    /// <summary>Describes the layer.</summary>
    /// <param name="vocabulary">V.</param>
    /// <param name="width">d.</param>
    /// <param name="standardDeviation">Of the normal numbers that the table starts as.</param>
    public TokenEmbedding(string name, int vocabulary, int width, float standardDeviation = 0.02f)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        if (vocabulary < 1 || width < 1)
        {
            throw new ArgumentException($"Layer '{name}' is given {vocabulary} tokens of width {width}; wanted at least 1 of each.");
        }

        (Name, Vocabulary, Width, _standardDeviation) = (name, vocabulary, width, standardDeviation);
    }

    /// <summary>Of the layer and its table.</summary>
    public string Name { get; }

    /// <summary>V.</summary>
    public int Vocabulary { get; }

    /// <summary>d.</summary>
    public int Width { get; }

    internal LinearParameter? Table { get; private set; }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        LinearParameter table = Table ?? throw new InvalidOperationException($"Layer '{Name}' has no parameters yet; make a Network of it first.");
        VectorView<int> tokens = input.Indices;
        if (tokens.Length != input.Shape.Rows)
        {
            throw new ArgumentException($"Layer '{Name}' is given {input.Shape} without tokens; wanted tokens, see Network.Forward.", nameof(input));
        }

        MatrixView<float> y = tape.Memory.Matrix<float>(tokens.Length, Width);
        RowGather.Gather(tape.Stream, table.Values, tokens, y);
        EmbeddingOperation operation = tape.Rent<EmbeddingOperation>();
        operation.Input = input;
        operation.Table = table;
        return tape.Record(operation, y, input.Shape.WithColumns(Width), input.Segments, needsGradient: true);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        ArgumentNullException.ThrowIfNull(registry);
        if (registry.IsFirstVisit(ref _registry, Name))
        {
            var layer = new KroneckerLayer(Name, Width, Vocabulary, HasBias: false) { HasDiagonalOutput = true };
            Table = registry.AddLinear(layer, WeightInitialization.Glorot, _standardDeviation);
        }
    }
}

/// <summary><c>∂E_v = Σ ∂y</c> over the rows with token v.</summary>
internal sealed class EmbeddingOperation : TapeOperation
{
    private LinearParameter? _table;

    public Variable Input { get; set; }

    public LinearParameter Table
    {
        get => _table!;
        set => _table = value;
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        pass.DeliverLookup(Table.Index, Output, outputGradient);
        if (pass.Options.WeightGradients)
        {
            RowGather.ScatterAdd(pass.Stream, outputGradient, Input.Indices, Table.StartContribution(pass), Table.Gradients);
        }

        pass.Release(outputGradient);
    }

    protected internal override void CaptureInputs(ICaptureSink sink) =>
        sink.Inputs(Table.Index, LayerRows.OfTokens(Input.Indices, Input.Examples, Input.Sharing, Input.Segments));
}
