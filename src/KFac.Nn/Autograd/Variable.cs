using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A value on a <see cref="Tape"/>: a handle, valid until the tape is reset.</summary>
public readonly struct Variable
{
    private readonly Tape? _tape;
    private readonly int _generation;

    internal Variable(Tape tape, int id, int generation)
    {
        _tape = tape;
        Id = id;
        _generation = generation;
    }

    /// <summary>The tape that holds the value.</summary>
    /// <exception cref="InvalidOperationException">The handle is <c>default</c>, or the tape has been reset since.</exception>
    public Tape Tape
    {
        get
        {
            if (_tape is null)
            {
                throw new InvalidOperationException("The variable stands for no value; it was never recorded on a tape.");
            }

            if (_generation != _tape.Generation)
            {
                throw new InvalidOperationException("The variable belongs to a forward pass that has been reset since.");
            }

            return _tape;
        }
    }

    /// <summary>Position on the tape: inputs of an operation come before its output.</summary>
    public int Id { get; }

    /// <summary>Shape as a tensor: [M, sharing dimensions…, P], or [R_M, P] when ragged.</summary>
    public TensorShape Shape => Tape.EntryOf(this).Shape;

    /// <summary>The value as a matrix of <c>Shape.Rows</c>×<c>Shape.Columns</c>.</summary>
    public MatrixView<float> Value => Tape.EntryOf(this).Value;

    /// <summary>[rows], tokens; empty for a variable that has a value instead.</summary>
    public VectorView<int> Indices => Tape.EntryOf(this).Indices;

    /// <summary>Another input of the network that belongs to this one; null where there is none.</summary>
    public Variable? Context => Tape.EntryOf(this).Context;

    /// <summary>Where each example's rows begin when examples have different numbers of rows; null otherwise.</summary>
    public SegmentOffsets? Segments => Tape.EntryOf(this).Segments;

    /// <summary>Whether something that is trained lies on the way to this value.</summary>
    public bool NeedsGradient => Tape.EntryOf(this).NeedsGradient;

    /// <summary>M.</summary>
    public int Examples => Segments?.Segments ?? Shape[0];

    /// <summary>R, the product of the sharing dimensions; 0 when ragged.</summary>
    public int Sharing
    {
        get
        {
            if (Segments is not null)
            {
                return 0;
            }

            TensorShape shape = Shape;
            int sharing = 1;
            for (int i = 1; i < shape.Rank - 1; i++)
            {
                sharing *= shape[i];
            }

            return sharing;
        }
    }

    /// <summary>Rows that belong to this value, as a layer with Kronecker factors hands them over.</summary>
    /// <param name="rows">[seeds·rows, P]: the value itself, or gradients of it.</param>
    /// <param name="seeds">Back-propagated seeds stacked in the rows; 1 for inputs.</param>
    /// <param name="scale">What the rows must be multiplied by to become gradients of the loss summed over its terms; 1 for inputs.</param>
    public LayerRows ToLayerRows(MatrixView<float> rows, int seeds, float scale) =>
        new(rows, Examples, Sharing, Segments, seeds, scale);
}
