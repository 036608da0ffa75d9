using KFac.Engine;
using KFac.Kernels;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>Inputs and output gradients of one linear layer, read from files of the shapes that frameworks save.</summary>
/// <remarks>[M, P] without sharing; [M, R, P]; [M, d1, d2, …, P], whose sharing dimensions are flattened; or ragged,
/// [R_M, P] with one example index per row.</remarks>
/// <param name="Inputs">X.</param>
/// <param name="OutputGradients">G, of the loss summed over its terms.</param>
internal sealed record LayerFiles(LayerRows Inputs, LayerRows OutputGradients) : ILayerFiles
{
    public int Examples => Inputs.Examples;

    public int Sharing => Inputs.Sharing;

    public int Groups => 1;

    public int InputWidth => Inputs.Rows.Columns;

    public int OutputWidth => OutputGradients.Rows.Columns;

    /// <summary>Reads both files and, for ragged examples, the example indices.</summary>
    /// <param name="segmentsPath">Null unless ragged.</param>
    /// <param name="examples">M where trailing examples have no rows; null takes the last index + 1.</param>
    /// <exception cref="InvalidDataException">Shapes that do not belong together, no examples, unsorted indices, or
    /// numbers that are not finite.</exception>
    public static LayerFiles Read(
        DeviceStream stream, Arena arena, string inputsPath, string gradientsPath, string? segmentsPath, int? examples)
    {
        InputFile inputs = InputFile.ReadRows(stream, arena, inputsPath);
        InputFile gradients = InputFile.ReadRows(stream, arena, gradientsPath);
        RequireSameRows(inputs, gradients);
        if (segmentsPath is null)
        {
            int count = inputs.Shape[0];
            int sharing = count == 0 ? 0 : inputs.Rows.Rows / count;
            RequireNotEmpty(inputs, count, sharing);
            return new LayerFiles(
                new LayerRows(inputs.Rows, count, sharing, null, 1, 1),
                new LayerRows(gradients.Rows, count, sharing, null, 1, 1));
        }

        if (inputs.Shape.Count != 2)
        {
            throw new InvalidDataException($"{inputsPath} has shape {inputs.ShapeText}; wanted two dimensions with segments.");
        }

        SegmentOffsets segments = ReadSegments(stream, arena, segmentsPath, inputs, examples);
        return new LayerFiles(
            new LayerRows(inputs.Rows, segments.Segments, 0, segments, 1, 1),
            new LayerRows(gradients.Rows, segments.Segments, 0, segments, 1, 1));
    }

    public void InputFactor(DeviceStream stream, SharingApproximation approximation, bool hasBias, MatrixView<float> factor) =>
        FactorMath.InputFactor(stream, Inputs, approximation, hasBias, factor);

    public void OutputFactor(DeviceStream stream, SharingApproximation approximation, MatrixView<float> factor) =>
        FactorMath.OutputFactor(stream, OutputGradients, approximation, factor);

    private static SegmentOffsets ReadSegments(DeviceStream stream, Arena arena, string path, InputFile inputs, int? examples)
    {
        NpyArray<int> indices = Npy.ReadInt32(path);
        if (indices.Shape.Count != 1 || indices.Values.Length != inputs.Shape[0])
        {
            throw new InvalidDataException(
                $"{path} has shape {NpyHeader.FormatShape(indices.Shape)}; wanted ({inputs.Shape[0]},), one index for each row of {inputs.Path}.");
        }

        if (indices.Values.Length == 0 && examples is null)
        {
            throw new InvalidDataException($"{path} holds no indices, so there are zero examples; wanted at least one row, or --examples.");
        }

        // The largest index, not the last, so that unsorted indices are reported as such.
        long count = examples ?? Math.Max(0, indices.Values.Max()) + 1L;
        try
        {
            return SegmentOffsets.FromIndices(stream, arena, indices.Values, checked((int)count));
        }
        catch (Exception exception) when (exception is ArgumentException or OverflowException)
        {
            throw new InvalidDataException($"{path}: {exception.Message}", exception);
        }
    }

    private static void RequireSameRows(InputFile inputs, InputFile gradients)
    {
        if (!inputs.Shape.SkipLast(1).SequenceEqual(gradients.Shape.SkipLast(1)))
        {
            throw new InvalidDataException(
                $"{inputs.Path} has shape {inputs.ShapeText} and {gradients.Path} {gradients.ShapeText}; wanted all dimensions but the last to agree.");
        }
    }

    private static void RequireNotEmpty(InputFile inputs, int examples, int sharing)
    {
        if (examples == 0 || sharing == 0)
        {
            throw new InvalidDataException(
                $"{inputs.Path} has shape {inputs.ShapeText}, with {(examples == 0 ? "zero examples" : "an empty sharing dimension")}; wanted at least one row.");
        }
    }
}
