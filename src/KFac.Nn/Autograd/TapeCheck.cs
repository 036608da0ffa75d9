using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Refuses what does not fit on a tape.</summary>
internal static class TapeCheck
{
    /// <exception cref="ArgumentException">Matrix, shape and segments disagree.</exception>
    public static void Value(MatrixView<float> value, TensorShape shape, SegmentOffsets? segments)
    {
        if (shape.Rank < 2)
        {
            throw new ArgumentException($"The shape {shape} has no examples; wanted [M, sharing dimensions…, width].", nameof(shape));
        }

        if (value.Rows != shape.Rows || value.Columns != shape.Columns)
        {
            throw new ArgumentException($"A {value} matrix was given for shape {shape}; wanted {shape.Rows}×{shape.Columns}.", nameof(value));
        }

        if (segments is not null && (shape.Rank != 2 || segments.Rows != shape.Rows))
        {
            throw new ArgumentException(
                $"Segments cover {segments.Rows} rows of a shape {shape}; wanted [{segments.Rows}, width].", nameof(segments));
        }
    }

    /// <returns>S, how many seeds there are.</returns>
    /// <exception cref="ArgumentException">The seeds do not fit the output, or are several in a pass with weight gradients.</exception>
    public static int Seeds(MatrixView<float> value, MatrixView<float> seeds, in BackwardOptions options)
    {
        int count = value.Rows == 0 ? 0 : seeds.Rows / value.Rows;
        if (count == 0 || seeds.Columns != value.Columns || seeds.Rows != count * value.Rows)
        {
            throw new ArgumentException($"Seeds are {seeds} for an output of {value}; wanted a multiple of its rows.", nameof(seeds));
        }

        if (options.WeightGradients && count != 1)
        {
            throw new ArgumentException($"{count} seeds were given to a pass with weight gradients; wanted 1.", nameof(seeds));
        }

        return count;
    }
}
