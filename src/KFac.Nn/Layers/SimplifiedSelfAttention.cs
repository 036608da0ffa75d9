using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Self-attention without softmax, scaling and biases: <c>f(X_n) = (X_n W_Qᵀ)(X_n W_Kᵀ)ᵀ(X_n W_Vᵀ)</c> (thesis, eq. 3.24).</summary>
/// <remarks>[M, R, P_in] becomes [M, R, P_v]. Its three linear layers are named <c>name.query</c>, <c>name.key</c> and <c>name.value</c>.</remarks>
public sealed class SimplifiedSelfAttention : Module
{
    private readonly string _name;
    private readonly Linear _query;
    private readonly Linear _key;
    private readonly Linear _value;

    /// <summary>Makes the module.</summary>
    /// <param name="keyWidth">Width of queries and keys.</param>
    /// <param name="valueWidth">P_v.</param>
    public SimplifiedSelfAttention(
        string name,
        int inputWidth,
        int keyWidth,
        int valueWidth,
        WeightInitialization initialization = WeightInitialization.Glorot)
    {
        _name = name;
        _query = new Linear($"{name}.query", inputWidth, keyWidth, bias: false, initialization);
        _key = new Linear($"{name}.key", inputWidth, keyWidth, bias: false, initialization);
        _value = new Linear($"{name}.value", inputWidth, valueWidth, bias: false, initialization);
    }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        if (input.Shape.Rank != 3)
        {
            throw new ArgumentException(
                $"Layer '{_name}' is given inputs {input.Shape}; wanted [examples, sequence, width].", nameof(input));
        }

        Variable query = _query.Forward(tape, input);
        Variable key = _key.Forward(tape, input);
        Variable value = _value.Forward(tape, input);
        (int examples, int sequence) = (input.Examples, input.Sharing);
        MatrixView<float> scores = tape.Memory.Matrix<float>(examples * sequence, sequence);
        MatrixView<float> y = tape.Memory.Matrix<float>(examples * sequence, value.Shape.Columns);
        Gemm.RunStacked(tape.Stream, Transpose.No, Transpose.Yes, 1f, query.Value, key.Value, 0f, scores, examples);
        Gemm.RunStacked(tape.Stream, Transpose.No, Transpose.No, 1f, scores, value.Value, 0f, y, examples);

        AttentionOperation operation = tape.Rent<AttentionOperation>();
        operation.Query = query;
        operation.Key = key;
        operation.Value = value;
        operation.Scores = scores;
        return tape.Record(operation, y, value.Shape, null, needsGradient: true);
    }

    /// <inheritdoc/>
    public override void Register(ParameterRegistry registry)
    {
        _query.Register(registry);
        _key.Register(registry);
        _value.Register(registry);
    }
}

/// <summary>Y = S·V with S = Q·Kᵀ per example: <c>∂V = Sᵀ·∂Y</c>, <c>∂S = ∂Y·Vᵀ</c>, <c>∂Q = ∂S·K</c>, <c>∂K = ∂Sᵀ·Q</c>, seed by seed.</summary>
internal sealed class AttentionOperation : TapeOperation
{
    public Variable Query { get; set; }

    public Variable Key { get; set; }

    public Variable Value { get; set; }

    public MatrixView<float> Scores { get; set; }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        DeviceStream stream = pass.Stream;
        int examples = Output.Examples;
        int rows = Output.Value.Rows;
        MatrixView<float> query = pass.Destination(Query, out float queryBeta);
        MatrixView<float> key = pass.Destination(Key, out float keyBeta);
        MatrixView<float> value = pass.Destination(Value, out float valueBeta);
        MatrixView<float> scores = pass.Scratch(rows, Scores.Columns);
        for (int seed = 0; seed < pass.Seeds; seed++)
        {
            int start = seed * rows;
            MatrixView<float> y = outputGradient.RowRange(start, rows);
            Gemm.RunStacked(stream, Transpose.Yes, Transpose.No, 1f, Scores, y, valueBeta, value.RowRange(start, rows), examples);
            Gemm.RunStacked(stream, Transpose.No, Transpose.Yes, 1f, y, Value.Value, 0f, scores, examples);
            Gemm.RunStacked(stream, Transpose.No, Transpose.No, 1f, scores, Key.Value, queryBeta, query.RowRange(start, rows), examples);
            Gemm.RunStacked(stream, Transpose.Yes, Transpose.No, 1f, scores, Query.Value, keyBeta, key.RowRange(start, rows), examples);
        }

        pass.Release(scores);
        pass.Release(outputGradient);
    }
}
