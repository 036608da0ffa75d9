using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace KFac.Nn;

/// <summary>A whole array in host memory.</summary>
/// <param name="Shape">Dimensions, slowest first.</param>
/// <param name="Values">The elements in C order.</param>
public sealed record NpyArray<T>(IReadOnlyList<int> Shape, T[] Values);

/// <summary>Whole <c>.npy</c> arrays in one call; <see cref="NpyReader"/> reads them in pieces.</summary>
public static class Npy
{
    /// <summary>Reads a float32 or float64 array.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is not such an array; the message says what was found and wanted.</exception>
    public static NpyArray<float> ReadSingle(string path)
    {
        using NpyReader reader = NpyReader.Open(path);
        return ReadSingle(reader);
    }

    /// <summary>Reads an int32 or int64 array.</summary>
    /// <inheritdoc cref="ReadSingle(string)"/>
    public static NpyArray<int> ReadInt32(string path)
    {
        using NpyReader reader = NpyReader.Open(path);
        return ReadInt32(reader);
    }

    /// <summary>Reads all elements that <paramref name="reader"/> has before it.</summary>
    public static NpyArray<float> ReadSingle(NpyReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        var values = new float[reader.Header.Count];
        reader.Read(values);
        return new NpyArray<float>(reader.Header.Shape, values);
    }

    /// <inheritdoc cref="ReadSingle(NpyReader)"/>
    public static NpyArray<int> ReadInt32(NpyReader reader)
    {
        ArgumentNullException.ThrowIfNull(reader);
        var values = new int[reader.Header.Count];
        reader.Read(values);
        return new NpyArray<int>(reader.Header.Shape, values);
    }

    /// <summary>Writes a float32 array.</summary>
    /// <exception cref="ArgumentException">The shape does not hold that many values.</exception>
    public static void Write(Stream stream, ReadOnlySpan<int> shape, ReadOnlySpan<float> values) =>
        Write(stream, new NpyHeader(NpyElementType.Float32, shape), MemoryMarshal.Cast<float, int>(values));

    /// <summary>Writes an int32 array.</summary>
    /// <exception cref="ArgumentException">The shape does not hold that many values.</exception>
    public static void Write(Stream stream, ReadOnlySpan<int> shape, ReadOnlySpan<int> values) =>
        Write(stream, new NpyHeader(NpyElementType.Int32, shape), values);

    private static void Write(Stream stream, NpyHeader header, ReadOnlySpan<int> values)
    {
        ArgumentNullException.ThrowIfNull(stream);
        if (values.Length != header.Count)
        {
            throw new ArgumentException($"There are {values.Length} values; wanted {header.Count} for shape {header}.", nameof(values));
        }

        header.Write(stream);
        if (!BitConverter.IsLittleEndian)
        {
            var swapped = new int[values.Length];
            BinaryPrimitives.ReverseEndianness(values, swapped);
            values = swapped;
        }

        // In pieces, because a span of bytes cannot hold 2³¹ of them.
        while (!values.IsEmpty)
        {
            ReadOnlySpan<int> piece = values[..Math.Min(1 << 20, values.Length)];
            stream.Write(MemoryMarshal.AsBytes(piece));
            values = values[piece.Length..];
        }
    }
}
