using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One use of fused attention. Ragged sequences are padded before and freed of the padding after it.</summary>
internal sealed class ScaledDotProductOperation : TapeOperation
{
    private AttentionShape _shape;
    private AttentionMask _mask;
    private float _scale;
    private Sequences _query;
    private Sequences _key;
    private Sequences _value;
    private MatrixView<float> _outputs;
    private MatrixView<float> _logSums;

    /// <returns>What the operation shall be recorded with, rows like the queries'.</returns>
    public MatrixView<float> Forward(Tape tape, Variable query, Variable key, Variable value, int heads, bool causal)
    {
        _query = Sequences.Of(tape, query);
        _key = Sequences.Of(tape, key);
        _value = Sequences.Of(tape, value);
        (int width, int valueWidth) = (query.Shape.Columns / heads, value.Shape.Columns / heads);
        _shape = new AttentionShape(query.Examples, heads, _query.Length, _key.Length, width, valueWidth);
        _mask = new AttentionMask(causal, _key.Padding?.Counts ?? default);
        _scale = (float)(1 / Math.Sqrt(width));
        _outputs = tape.Memory.Matrix<float>(_shape.Examples * _shape.Queries, heads * valueWidth);
        _logSums = tape.Memory.Matrix<float>(_shape.Examples * _shape.Queries, heads);
        Attention.Forward(tape.Stream, _shape, _mask, _scale, _query.Value, _key.Value, _value.Value, _outputs, _logSums);
        if (_query.Padding is not SequencePadding padding)
        {
            return _outputs;
        }

        MatrixView<float> y = tape.Memory.Matrix<float>(query.Value.Rows, _outputs.Columns);
        padding.Unpad(tape.Stream, _outputs, 1, y);
        return y;
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        MatrixView<float> gradient = outputGradient;
        if (_query.Padding is SequencePadding padding)
        {
            gradient = pass.Scratch(pass.Seeds * _outputs.Rows, _outputs.Columns);
            padding.Pad(pass.Stream, outputGradient, pass.Seeds, gradient);
            pass.Release(outputGradient);
        }

        (MatrixView<float>, float) query = Destination(pass, _query);
        (MatrixView<float>, float) key = Destination(pass, _key);
        (MatrixView<float>, float) value = Destination(pass, _value);
        Attention.Backward(
            pass.Stream, _shape, _mask, _scale, _query.Value, _key.Value, _value.Value, _outputs, _logSums, gradient, query, key, value);
        pass.Release(gradient);
        Deliver(pass, _query, query.Item1);
        Deliver(pass, _key, key.Item1);
        Deliver(pass, _value, value.Item1);
    }

    private static (MatrixView<float> Gradient, float Beta) Destination(BackwardPass pass, in Sequences sequences)
    {
        if (sequences.Padding is not null)
        {
            return (pass.Scratch(pass.Seeds * sequences.Value.Rows, sequences.Value.Columns), 0f);
        }

        MatrixView<float> gradient = pass.Destination(sequences.Variable, out float beta);
        return (gradient, beta);
    }

    /// <summary>Takes the padding off again; gradients without padding are where they belong already.</summary>
    private static void Deliver(BackwardPass pass, in Sequences sequences, MatrixView<float> gradient)
    {
        if (sequences.Padding is SequencePadding padding)
        {
            MatrixView<float> ragged = pass.Scratch(pass.Seeds * sequences.Variable.Value.Rows, gradient.Columns);
            padding.Unpad(pass.Stream, gradient, pass.Seeds, ragged);
            pass.Release(gradient);
            pass.Contribute(sequences.Variable, ragged);
        }
    }

    /// <summary>Sequences of one length, as they are or padded to it.</summary>
    private readonly record struct Sequences(Variable Variable, SequencePadding? Padding, MatrixView<float> Value, int Length)
    {
        public static Sequences Of(Tape tape, Variable variable)
        {
            if (variable.Segments is not SegmentOffsets segments)
            {
                return new Sequences(variable, null, variable.Value, variable.Sharing);
            }

            SequencePadding padding = tape.PaddingOf(segments);
            MatrixView<float> value = tape.Memory.Matrix<float>(segments.Segments * padding.Length, variable.Shape.Columns);
            padding.Pad(tape.Stream, variable.Value, 1, value);
            return new Sequences(variable, padding, value, padding.Length);
        }
    }
}
