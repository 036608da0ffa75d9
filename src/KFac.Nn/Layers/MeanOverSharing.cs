using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Makes one row of each example's rows, <c>y_n = c·Σ_r x_{n,r}</c>: the aggregation of the reduce setting.</summary>
/// <remarks>[M, sharing dimensions…, P] becomes [M, P]. Ragged [R_M, P] becomes [M, P]; an example without rows yields zeros.</remarks>
public sealed class MeanOverSharing : Module
{
    /// <summary>Makes the module.</summary>
    /// <param name="scale">c: 1/R for a mean, 1 for a sum, or 1/√R.</param>
    public MeanOverSharing(SharingScale scale = SharingScale.Mean)
    {
        if (!Enum.IsDefined(scale))
        {
            throw new ArgumentException(
                $"The scale is {(int)scale}; wanted one of {string.Join(", ", Enum.GetNames<SharingScale>())}.", nameof(scale));
        }

        Scale = scale;
    }

    /// <summary>c.</summary>
    public SharingScale Scale { get; }

    /// <inheritdoc/>
    public override Variable Forward(Tape tape, Variable input)
    {
        ArgumentNullException.ThrowIfNull(tape);
        int columns = input.Shape.Columns;
        MatrixView<float> y = tape.Memory.Matrix<float>(input.Examples, columns);
        if (input.Segments is not null)
        {
            SegmentReduce.Ragged(tape.Stream, input.Value, input.Segments, Scale, y);
        }
        else
        {
            SegmentReduce.Uniform(tape.Stream, input.Value, input.Sharing, Scale, y);
        }

        AggregationOperation operation = tape.Rent<AggregationOperation>();
        operation.Scale = Scale;
        operation.Input = input;
        return tape.Record(operation, y, TensorShape.Of(input.Examples, columns), null, input.NeedsGradient);
    }
}

/// <summary>The gradient of an example's row goes to all its rows, scaled alike.</summary>
internal sealed class AggregationOperation : TapeOperation
{
    public SharingScale Scale { get; set; }

    public Variable Input { get; set; }

    protected internal override void Backward(BackwardPass pass, MatrixView<float> outputGradient)
    {
        MatrixView<float> x = Input.Value;
        MatrixView<float> spread = pass.Scratch(pass.Seeds * x.Rows, x.Columns);
        if (Input.Segments is null)
        {
            SegmentReduce.SpreadUniform(pass.Stream, outputGradient, Input.Sharing, Scale, spread);
        }
        else
        {
            SpreadSeedBySeed(pass, outputGradient, Input.Segments, spread);
        }

        pass.Release(outputGradient);
        pass.Contribute(Input, spread);
    }

    private void SpreadSeedBySeed(
        BackwardPass pass, MatrixView<float> outputGradient, SegmentOffsets segments, MatrixView<float> spread)
    {
        (int examples, int rows) = (segments.Segments, segments.Rows);
        for (int seed = 0; seed < pass.Seeds; seed++)
        {
            SegmentReduce.SpreadRagged(
                pass.Stream, outputGradient.RowRange(seed * examples, examples), segments, Scale, spread.RowRange(seed * rows, rows));
        }
    }
}
