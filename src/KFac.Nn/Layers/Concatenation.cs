using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One piece of a concatenation: a value, or its rows gathered or added up.</summary>
/// <param name="Value">[input rows, width].</param>
/// <param name="Map">Takes the value's rows to the concatenation's; null where they are the same.</param>
internal readonly record struct ConcatenatedPart(Variable Value, RowMap? Map);

/// <summary>Puts values side by side, <c>[S₁·X₁, S₂·X₂, …]</c>: gathering, adding up and concatenation in one pass over memory.</summary>
internal static class Concatenation
{
    /// <summary>Records the concatenation.</summary>
    /// <param name="rows">Shape of the rows, of any width.</param>
    /// <param name="segments">Where each example's rows begin, for ragged rows.</param>
    public static Variable Of(Tape tape, TensorShape rows, SegmentOffsets? segments, params ReadOnlySpan<ConcatenatedPart> parts)
    {
        int width = 0;
        bool needsGradient = false;
        foreach (ConcatenatedPart part in parts)
        {
            width += part.Value.Shape.Columns;
            needsGradient |= part.Value.NeedsGradient;
        }

        TensorShape shape = rows.WithColumns(width);
        MatrixView<float> y = tape.Memory.Matrix<float>(shape.Rows, width);
        int column = 0;
        foreach (ConcatenatedPart part in parts)
        {
            MatrixView<float> slice = y.Slice(0, column, y.Rows, part.Value.Shape.Columns);
            if (part.Map is RowMap map)
            {
                SparseProduct.Run(tape.Stream, 1f, map.Matrix, part.Value.Value, 0f, slice);
            }
            else
            {
                Elementwise.Copy(tape.Stream, part.Value.Value, slice);
            }

            column += slice.Columns;
        }

        ConcatenationOperation operation = tape.Rent<ConcatenationOperation>();
        operation.Take(parts);
        return tape.Record(operation, y, shape, segments, needsGradient);
    }
}

/// <summary>Each piece gets its columns of the gradient, through its transposed map.</summary>
internal sealed class ConcatenationOperation : TapeOperation
{
    private const int MostParts = 4;

    private readonly ConcatenatedPart[] _parts = new ConcatenatedPart[MostParts];
    private int _count;

    public void Take(ReadOnlySpan<ConcatenatedPart> parts)
    {
        parts.CopyTo(_parts);
        _count = parts.Length;
    }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        int column = 0;
        foreach (ConcatenatedPart part in _parts.AsSpan(0, _count))
        {
            MatrixView<float> slice = outputGradient.Slice(0, column, outputGradient.Rows, part.Value.Shape.Columns);
            column += slice.Columns;
            if (!part.Value.NeedsGradient)
            {
                continue;
            }

            MatrixView<float> gradient = pass.Destination(part.Value, out float beta);
            if (part.Map is RowMap map)
            {
                SparseProduct.Run(pass.Stream, 1f, map.Transposed, slice, beta, gradient);
            }
            else
            {
                Elementwise.Axpby(pass.Stream, 1f, slice, beta, gradient);
            }
        }

        pass.Release(outputGradient);
    }
}
