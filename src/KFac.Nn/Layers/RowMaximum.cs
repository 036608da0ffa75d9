using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Takes the largest of the rows that a map adds up otherwise, column by column; zeros where there are none.</summary>
internal static class RowMaximum
{
    /// <summary>Records the maximum.</summary>
    /// <param name="map">Its values do not matter.</param>
    /// <param name="rows">Shape of the map's output rows, of any width.</param>
    /// <param name="segments">Where each example's output rows begin, for ragged rows.</param>
    public static Variable Of(Tape tape, Variable input, RowMap map, TensorShape rows, SegmentOffsets? segments)
    {
        TensorShape shape = rows.WithColumns(input.Shape.Columns);
        MatrixView<float> y = tape.Memory.Matrix<float>(shape.Rows, shape.Columns);
        MatrixView<int> winners = tape.Memory.Matrix<int>(shape.Rows, shape.Columns);
        SparseMaximum.Forward(tape.Stream, map.Matrix, input.Value, y, winners);
        RowMaximumOperation operation = tape.Rent<RowMaximumOperation>();
        operation.Input = input;
        operation.Map = map;
        operation.Winners = winners;
        return tape.Record(operation, y, shape, segments, input.NeedsGradient);
    }
}

/// <summary>The gradient of a maximum goes to the row that it came from.</summary>
internal sealed class RowMaximumOperation : TapeOperation
{
    public Variable Input { get; set; }

    public RowMap Map { get; set; }

    public MatrixView<int> Winners { get; set; }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        if (Input.NeedsGradient)
        {
            MatrixView<float> gradient = pass.Destination(Input, out float beta);
            SparseMaximum.Backward(pass.Stream, Map.Transposed, Winners, outputGradient, beta, gradient);
        }

        pass.Release(outputGradient);
    }
}
