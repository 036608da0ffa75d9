using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Gives each example's elements other dimensions: [M, …] becomes [M, dimensions…].</summary>
/// <remarks>The examples stay, so <c>[M, 7, 8] → [M, 56]</c> and back are possible. Ragged values have no common dimensions
/// and are refused.</remarks>
public sealed class Reshape : Module
{
    private readonly int[] _dimensions;

    /// <summary>Makes the module.</summary>
    /// <param name="dimensions">Sizes per example: sharing dimensions, then the width.</param>
    public Reshape(params ReadOnlySpan<int> dimensions)
    {
        if (dimensions.Length is 0 or > TensorShape.MaxRank - 1)
        {
            throw new ArgumentException(
                $"{dimensions.Length} dimensions per example were given; wanted 1 to {TensorShape.MaxRank - 1}.", nameof(dimensions));
        }

        _dimensions = dimensions.ToArray();
        _ = ShapeFor(1);
    }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        TensorShape shape = ShapeFor(input.Examples);
        MatrixView<float> x = input.Value;
        if (input.Segments is not null || (long)shape.Rows * shape.Columns != (long)x.Rows * x.Columns)
        {
            string what = input.Segments is null ? "" : "ragged ";
            throw new ArgumentException($"Cannot reshape {what}values {input.Shape} to {shape}.", nameof(input));
        }

        if (!x.IsContiguous)
        {
            MatrixView<float> copy = tape.Memory.Matrix<float>(x.Rows, x.Columns);
            Elementwise.Copy(tape.Stream, x, copy);
            x = copy;
        }

        ReshapeOperation operation = tape.Rent<ReshapeOperation>();
        operation.Input = input;
        return tape.Record(operation, x.Reshape(shape.Rows, shape.Columns), shape, null, input.NeedsGradient);
    }

    private TensorShape ShapeFor(int examples)
    {
        Span<int> sizes = stackalloc int[TensorShape.MaxRank];
        sizes[0] = examples;
        _dimensions.CopyTo(sizes[1..]);
        return TensorShape.Of(sizes[..(_dimensions.Length + 1)]);
    }
}

/// <summary>Seeds are outermost, so reshaping all of them reshapes each.</summary>
internal sealed class ReshapeOperation : TapeOperation
{
    public Variable Input { get; set; }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        MatrixView<float> x = Input.Value;
        pass.Contribute(Input, outputGradient.Reshape(pass.Seeds * x.Rows, x.Columns));
    }
}
