using System.Buffers.Binary;

namespace KFac.Nn;

/// <summary>Reads IDX files of unsigned bytes, the format of MNIST and its relatives, plain or gzip-compressed.</summary>
/// <remarks>
/// Layout: two zero bytes, the element type (<c>0x08</c> for unsigned bytes), the rank, each dimension as a big-endian
/// int32, then the values. Compression is recognised by content, not by the file's name.
/// </remarks>
public static class IdxFile
{
    private const byte UnsignedByte = 0x08;
    private const int MaxRank = 4;

    /// <summary>Reads a whole file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="rank">The rank that is wanted: 1 for labels, 3 for images.</param>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is not what was wanted; the message names the file, what was found
    /// and what was wanted.</exception>
    public static IdxArray Read(string path, int rank)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentOutOfRangeException.ThrowIfLessThan(rank, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(rank, MaxRank);
        using Stream stream = CompressedFile.OpenRead(path);
        return Parse(stream, path, rank);
    }

    private static IdxArray Parse(Stream stream, string path, int rank)
    {
        Span<byte> header = stackalloc byte[4 + (4 * MaxRank)];
        Span<byte> magic = header[..4];
        int read = CompressedFile.Fill(stream, path, magic);
        if (read == 0)
        {
            throw Malformed(path, "is empty", "an IDX header");
        }

        if (read < 4)
        {
            throw Malformed(path, $"ends after {read} bytes", "an IDX header of at least 8 bytes");
        }

        uint found = BinaryPrimitives.ReadUInt32BigEndian(magic);
        if (magic[0] != 0 || magic[1] != 0 || magic[2] != UnsignedByte)
        {
            throw Malformed(path, $"starts with 0x{found:X8}", $"0x{Magic(rank):X8}, an IDX file of unsigned bytes of rank {rank}");
        }

        if (magic[3] != rank)
        {
            throw Malformed(path, $"has rank {magic[3]} (0x{found:X8})", $"rank {rank} (0x{Magic(rank):X8})");
        }

        Span<byte> sizes = header.Slice(4, 4 * rank);
        read = CompressedFile.Fill(stream, path, sizes);
        if (read < sizes.Length)
        {
            throw Malformed(path, $"ends after {4 + read} bytes", $"a header of {4 + sizes.Length} bytes for rank {rank}");
        }

        int[] dimensions = ReadDimensions(sizes, path);
        return new IdxArray(dimensions, ReadValues(stream, path, dimensions));
    }

    private static int[] ReadDimensions(ReadOnlySpan<byte> sizes, string path)
    {
        var dimensions = new int[sizes.Length / 4];
        long count = 1;
        for (int i = 0; i < dimensions.Length; i++)
        {
            uint size = BinaryPrimitives.ReadUInt32BigEndian(sizes[(4 * i)..]);
            count = size == 0 ? 0 : count * size;
            if (size > int.MaxValue || count > Array.MaxLength)
            {
                throw Malformed(path, $"says that dimension {i} is {size}", $"at most {Array.MaxLength} values in all");
            }

            dimensions[i] = (int)size;
        }

        return dimensions;
    }

    private static byte[] ReadValues(Stream stream, string path, int[] dimensions)
    {
        string shape = string.Join('×', dimensions);
        int count = 1;
        foreach (int size in dimensions)
        {
            count *= size;
        }

        byte[] values = ReadGrowing(stream, path, count);
        if (values.Length < count)
        {
            throw Malformed(path, $"has {values.Length} values", $"{count} values for {shape}");
        }

        Span<byte> beyond = stackalloc byte[1];
        if (CompressedFile.Fill(stream, path, beyond) > 0)
        {
            throw Malformed(path, $"goes on after {count} values", $"its end there, for {shape}");
        }

        return values;
    }

    /// <summary>Reads up to <paramref name="count"/> bytes without trusting the header with memory that the file cannot fill.</summary>
    private static byte[] ReadGrowing(Stream stream, string path, int count)
    {
        const int FirstBlock = 1 << 20;
        var values = new byte[Math.Min(count, FirstBlock)];
        int filled = 0;
        while (true)
        {
            filled += CompressedFile.Fill(stream, path, values.AsSpan(filled));
            if (filled < values.Length)
            {
                return values[..filled];
            }

            if (filled == count)
            {
                return values;
            }

            Array.Resize(ref values, (int)Math.Min(count, 2L * values.Length));
        }
    }

    private static uint Magic(int rank) => (uint)((UnsignedByte << 8) | rank);

    private static InvalidDataException Malformed(string path, string found, string wanted) =>
        new($"{path} {found}; wanted {wanted}.");
}
