using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Logits over the vocabulary with the weight of an embedding: <c>Z = X·Eᵀ</c> (Press and Wolf 2017), [M, T, d] to [M, T, V].</summary>
public sealed class TiedProjection : Module
{
    private readonly TokenEmbedding _embedding;

    /// <summary>Makes the projection; gradients of both uses add up in the embedding's table.</summary>
    public TiedProjection(TokenEmbedding embedding)
    {
        ArgumentNullException.ThrowIfNull(embedding);
        _embedding = embedding;
    }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        LinearParameter table = _embedding.Table
            ?? throw new InvalidOperationException($"Layer '{_embedding.Name}' has no parameters yet; make a Network of it first.");
        if (input.Shape.Columns != _embedding.Width)
        {
            throw new ArgumentException(
                $"The projection tied to '{_embedding.Name}' is given {input.Shape}; wanted width {_embedding.Width}.", nameof(input));
        }

        MatrixView<float> x = input.Value;
        MatrixView<float> z = tape.Memory.Matrix<float>(x.Rows, _embedding.Vocabulary);
        Gemm.Run(tape.Stream, Transpose.No, Transpose.Yes, 1f, x, table.Values, 0f, z);
        TiedProjectionOperation operation = tape.Rent<TiedProjectionOperation>();
        operation.Input = input;
        operation.Table = table;
        return tape.Record(operation, z, input.Shape.WithColumns(_embedding.Vocabulary), input.Segments, needsGradient: true);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry) => _embedding.Register(registry);
}

/// <summary><c>∂X = ∂Z·E</c>, <c>∂E = ∂Zᵀ·X</c>.</summary>
internal sealed class TiedProjectionOperation : TapeOperation
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
        pass.Deliver(Table.Index, Output, outputGradient);
        if (pass.Options.WeightGradients)
        {
            Gemm.Run(
                pass.Stream, Transpose.Yes, Transpose.No, 1f, outputGradient, Input.Value, Table.StartContribution(pass), Table.Gradients);
        }

        if (Input.NeedsGradient)
        {
            MatrixView<float> inputGradient = pass.Destination(Input, out float beta);
            Gemm.Run(pass.Stream, Transpose.No, Transpose.No, 1f, outputGradient, Table.Values, beta, inputGradient);
        }

        pass.Release(outputGradient);
    }

    protected internal override void CaptureInputs(ICaptureSink sink) =>
        sink.Inputs(Table.Index, Input.ToLayerRows(Input.Value, seeds: 1, scale: 1f));
}
