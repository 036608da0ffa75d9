using KFac.Kernels;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>An array file on the device, all its numbers finite.</summary>
/// <param name="Path">Where it was read from.</param>
/// <param name="Shape">Its dimensions.</param>
/// <param name="Rows">The elements as [product of all dimensions but the last, last].</param>
internal sealed record InputFile(string Path, IReadOnlyList<int> Shape, MatrixView<float> Rows)
{
    /// <summary>Largest difference between <c>a_ij</c> and <c>a_ji</c>, as a share of the largest magnitude, in a matrix
    /// that counts as symmetric: well above the rounding of a float32 product that was computed as a full GEMM.</summary>
    public const float SymmetryTolerance = 1e-5f;

    /// <summary>Most negative eigenvalue, as a share of the sum of the diagonal's magnitudes, of a matrix that counts as
    /// positive semi-definite: 64 roundings of float32, which a Gram matrix and its factorisation stay below.</summary>
    public const float PositivityTolerance = 64f / (1 << 24);

    private const int PieceElements = 1 << 18;

    /// <summary>The shape as NumPy prints it.</summary>
    public string ShapeText => NpyHeader.FormatShape(Shape);

    /// <summary>Reads an array with at least two dimensions, the last not 0, piece by piece into device memory.</summary>
    /// <exception cref="InvalidDataException">Wrong shape or type, or a NaN or infinity, which is named by its index.</exception>
    public static InputFile ReadRows(DeviceStream stream, Arena arena, string path)
    {
        using NpyReader reader = NpyReader.Open(path);
        NpyHeader header = reader.Header;
        if (header.Shape.Count < 2 || header.Shape[^1] == 0)
        {
            throw new InvalidDataException($"{path} has shape {header}; wanted at least two dimensions, the last not 0.");
        }

        VectorView<float> values = arena.Vector<float>(header.Count);
        var piece = new float[Math.Min(PieceElements, header.Count)];
        int start = 0;
        while (start < header.Count)
        {
            Span<float> part = piece.AsSpan(0, Math.Min(piece.Length, header.Count - start));
            reader.Read(part);
            RequireFinite(path, header.Shape, part, start);
            stream.Upload<float>(part, values.Slice(start, part.Length));
            start += part.Length;
        }

        return new InputFile(path, header.Shape, values.AsMatrix(header.Count / header.Shape[^1], header.Shape[^1]));
    }

    /// <summary>Reads a matrix.</summary>
    /// <inheritdoc cref="ReadRows"/>
    public static InputFile ReadMatrix(DeviceStream stream, Arena arena, string path)
    {
        InputFile file = ReadRows(stream, arena, path);
        if (file.Shape.Count != 2 || file.Rows.IsEmpty)
        {
            throw new InvalidDataException($"{path} has shape {file.ShapeText}; wanted a matrix with at least one element.");
        }

        return file;
    }

    /// <summary>Reads a symmetric matrix; operations then use its lower triangle.</summary>
    /// <inheritdoc cref="ReadRows"/>
    public static InputFile ReadSymmetric(DeviceStream stream, Arena arena, string path) =>
        ReadSymmetric(stream, arena, path, out _);

    /// <summary>Reads a Kronecker factor: a symmetric positive semi-definite matrix.</summary>
    /// <inheritdoc cref="ReadRows"/>
    public static InputFile ReadFactor(DeviceStream stream, Arena arena, string path)
    {
        InputFile file = ReadSymmetric(stream, arena, path, out float[] values);
        int size = file.Rows.Rows;
        double diagonal = Enumerable.Range(0, size).Sum(i => Math.Abs((double)values[i * (size + 1)]));
        VectorView<int> status = arena.Vector<int>(1);
        Cholesky.Run(stream, file.Rows, (float)(PositivityTolerance * diagonal), arena.Matrix<float>(size, size), status);
        return stream.Read(status) == 0 || !values.AsSpan().ContainsAnyExcept(0f)
            ? file
            : throw new InvalidDataException(
                $"{path} is not positive semi-definite: it has an eigenvalue below −{PositivityTolerance * diagonal:G3}; wanted a Kronecker factor.");
    }

    private static InputFile ReadSymmetric(DeviceStream stream, Arena arena, string path, out float[] values)
    {
        InputFile file = ReadMatrix(stream, arena, path);
        int size = file.Rows.Rows;
        if (file.Rows.Columns != size)
        {
            throw new InvalidDataException($"{path} has shape {file.ShapeText}; wanted a square matrix.");
        }

        values = new float[size * size];
        stream.Download(file.Rows, values);
        RequireSymmetric(path, values, size);
        return file;
    }

    private static void RequireSymmetric(string path, float[] values, int size)
    {
        float largest = values.Max(MathF.Abs);
        for (int row = 0; row < size; row++)
        {
            for (int column = 0; column < row; column++)
            {
                float lower = values[(row * size) + column];
                float upper = values[(column * size) + row];
                if (MathF.Abs(lower - upper) > SymmetryTolerance * largest)
                {
                    throw new InvalidDataException(
                        $"{path} is not symmetric: element ({row}, {column}) is {lower} and ({column}, {row}) is {upper}; "
                        + $"wanted them within {SymmetryTolerance} of the largest magnitude, {largest}.");
                }
            }
        }
    }

    private static void RequireFinite(string path, IReadOnlyList<int> shape, ReadOnlySpan<float> values, int start)
    {
        int found = FloatSpans.IndexOfNonFinite(values);
        if (found >= 0)
        {
            string index = string.Join(", ", IndexOf(start + found, shape));
            throw new InvalidDataException($"{path} holds {values[found]} at index ({index}); wanted finite numbers.");
        }
    }

    private static int[] IndexOf(int position, IReadOnlyList<int> shape)
    {
        var index = new int[shape.Count];
        for (int axis = shape.Count - 1; axis >= 0; axis--)
        {
            (position, index[axis]) = Math.DivRem(position, shape[axis]);
        }

        return index;
    }
}
