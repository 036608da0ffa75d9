using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Keeps one of each example's rows: [M, R, P] becomes [M, P].</summary>
public sealed class SelectPosition : Module
{
    /// <summary>Makes the module.</summary>
    /// <param name="position">From 0.</param>
    public SelectPosition(int position)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(position);
        Position = position;
    }

    /// <summary>Which row is kept.</summary>
    public int Position { get; }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        if (input.Segments is not null || input.Sharing <= Position)
        {
            throw new ArgumentException($"Position {Position} is to be kept of {input.Shape}; wanted [examples, more than {Position} rows, width].", nameof(input));
        }

        (int examples, int width) = (input.Examples, input.Shape.Columns);
        MatrixView<float> y = tape.Memory.Matrix<float>(examples, width);
        Elementwise.Copy(tape.Stream, RowOf(input.Value, input.Sharing, Position), y);
        SelectPositionOperation operation = tape.Rent<SelectPositionOperation>();
        operation.Input = input;
        operation.Position = Position;
        return tape.Record(operation, y, TensorShape.Of(examples, width), null, input.NeedsGradient);
    }

    /// <summary>One row of each example, [rows/sharing, P] with gaps.</summary>
    internal static MatrixView<float> RowOf(MatrixView<float> rows, int sharing, int position) =>
        rows.Reshape(rows.Rows / sharing, sharing * rows.Columns).Slice(0, position * rows.Columns, rows.Rows / sharing, rows.Columns);
}

/// <summary>The other rows get no gradient.</summary>
internal sealed class SelectPositionOperation : TapeOperation
{
    public Variable Input { get; set; }

    public int Position { get; set; }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        MatrixView<float> gradient = pass.Scratch(pass.Seeds * Input.Value.Rows, Input.Value.Columns);
        Elementwise.Fill(pass.Stream, 0f, gradient);
        Elementwise.Copy(pass.Stream, outputGradient, SelectPosition.RowOf(gradient, Input.Sharing, Position));
        pass.Release(outputGradient);
        pass.Contribute(Input, gradient);
    }
}
