using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace KFac.Nn;

/// <summary>Reads and writes safetensors files, by which weights go to and come from PyTorch, JAX and others.</summary>
/// <remarks>
/// Layout: the header's length in bytes as a little-endian uint64, a JSON header that gives each tensor's type, shape and place,
/// and the little-endian data without holes. Written headers are padded with spaces so that the data begins at a multiple
/// of 64 bytes. Written is F32; read are F32, F64, F16, BF16, and I64, I32, U8 and BOOL, which
/// PyTorch keeps counts and masks in, converted to float32. See <see cref="SafetensorsHeader"/>.
/// </remarks>
public static class Safetensors
{
    private const int Alignment = 64;
    private const int MostHeaderBytes = 100_000_000;
    private const int BlockBytes = 1 << 20;

    /// <summary>Replaces the file as a whole: a kill at any moment leaves the old one or the new one.</summary>
    /// <exception cref="ArgumentException">Two tensors share a name, or one has more or fewer values than its shape says.</exception>
    /// <exception cref="IOException">It could not be written.</exception>
    public static void Write(string path, IReadOnlyList<SafetensorsTensor> tensors)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        byte[] header = SafetensorsHeader.Write(tensors);
        int padded = ((header.Length + sizeof(ulong) + Alignment - 1) / Alignment * Alignment) - sizeof(ulong);
        AtomicFile.Write(path, file =>
        {
            Span<byte> length = stackalloc byte[sizeof(ulong)];
            BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)padded);
            file.Write(length);
            file.Write(header);
            for (int i = header.Length; i < padded; i++)
            {
                file.WriteByte((byte)' ');
            }

            foreach (SafetensorsTensor tensor in tensors)
            {
                file.Write(MemoryMarshal.AsBytes(tensor.Values.Span));
            }
        });
    }

    /// <summary>Reads all tensors, in the order of their data.</summary>
    /// <exception cref="FileNotFoundException">There is no such file.</exception>
    /// <exception cref="InvalidDataException">The file is truncated or malformed, its tensors overlap, leave holes or have a type that
    /// is not read; one line names file, tensor and what is wrong.</exception>
    public static IReadOnlyList<SafetensorsTensor> Read(string path)
    {
        InputPath.RequireFile(path, "a safetensors file");
        using FileStream file = File.OpenRead(path);
        byte[] json = ReadHeader(file, path);
        long dataLength = file.Length - file.Position;
        IReadOnlyList<SafetensorsEntry> entries = SafetensorsHeader.Read(path, json, dataLength);
        var tensors = new List<SafetensorsTensor>(entries.Count);
        var block = new byte[BlockBytes];
        foreach (SafetensorsEntry entry in entries)
        {
            var values = new float[entry.Length];
            ReadValues(file, entry, block, values);
            tensors.Add(new SafetensorsTensor(entry.Name, entry.Shape, values));
        }

        return tensors;
    }

    private static byte[] ReadHeader(FileStream file, string path)
    {
        Span<byte> prefix = stackalloc byte[sizeof(ulong)];
        if (file.ReadAtLeast(prefix, prefix.Length, throwOnEndOfStream: false) < prefix.Length)
        {
            throw new InvalidDataException($"{path} has {file.Length} bytes; wanted a safetensors file, which has at least {sizeof(ulong)}.");
        }

        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
        if (length > MostHeaderBytes)
        {
            throw new InvalidDataException($"{path} claims a header of {length} bytes; wanted at most {MostHeaderBytes}: it is no safetensors file.");
        }

        if ((long)length > file.Length - sizeof(ulong))
        {
            throw new InvalidDataException(
                $"{path} is truncated: its header has {length} bytes, but {file.Length - sizeof(ulong)} follow the first {sizeof(ulong)}.");
        }

        var json = new byte[length];
        file.ReadExactly(json);
        return json;
    }

    private static void ReadValues(FileStream file, SafetensorsEntry entry, byte[] block, Span<float> values)
    {
        int perBlock = block.Length / entry.ElementBytes;
        for (int start = 0; start < values.Length; start += perBlock)
        {
            int count = Math.Min(perBlock, values.Length - start);
            Span<byte> bytes = block.AsSpan(0, count * entry.ElementBytes);
            file.ReadExactly(bytes);
            Convert(entry.Type, bytes, values.Slice(start, count));
        }
    }

    private static void Convert(string type, ReadOnlySpan<byte> bytes, Span<float> values)
    {
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = type switch
            {
                "F32" => BinaryPrimitives.ReadSingleLittleEndian(bytes[(4 * i)..]),
                "F64" => (float)BinaryPrimitives.ReadDoubleLittleEndian(bytes[(8 * i)..]),
                "F16" => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes[(2 * i)..]),
                "I64" => BinaryPrimitives.ReadInt64LittleEndian(bytes[(8 * i)..]),
                "I32" => BinaryPrimitives.ReadInt32LittleEndian(bytes[(4 * i)..]),
                "U8" or "BOOL" => bytes[i],
                _ => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * i)..]) << 16),
            };
        }
    }
}
