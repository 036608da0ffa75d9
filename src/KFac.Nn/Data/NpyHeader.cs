using System.Buffers.Binary;
using System.Text;

namespace KFac.Nn;

/// <summary>Element types of <c>.npy</c> files that are read; all little-endian.</summary>
public enum NpyElementType
{
    /// <summary>float32, <c>&lt;f4</c>.</summary>
    Float32,

    /// <summary>float64, <c>&lt;f8</c>.</summary>
    Float64,

    /// <summary>int32, <c>&lt;i4</c>.</summary>
    Int32,

    /// <summary>int64, <c>&lt;i8</c>.</summary>
    Int64,
}

/// <summary>What stands before the data of a <c>.npy</c> array: element type and shape, always in C order.</summary>
/// <remarks>NumPy's format, versions 1.0, 2.0 and 3.0 (numpy.lib.format): <c>\x93NUMPY</c>, two version bytes, the
/// header's length in two (1.0) or four bytes, and a Python dictionary literal. Version 1.0 is written, padded so that
/// the data starts at a multiple of 64 bytes, as NumPy does.</remarks>
public sealed class NpyHeader
{
    private const int Alignment = 64;
    private const int PreambleLength = 10;
    private const int LongestHeader = 1 << 20;

    /// <summary>A header for an array of at most 2³¹ − 1 elements.</summary>
    /// <exception cref="ArgumentException">A dimension is negative, or there are too many elements.</exception>
    public NpyHeader(NpyElementType type, params ReadOnlySpan<int> shape)
    {
        Type = type;
        Shape = shape.ToArray();
        Count = CountElements(Shape);
    }

    /// <summary>Type of the elements.</summary>
    public NpyElementType Type { get; }

    /// <summary>Dimensions, slowest first; empty for a scalar.</summary>
    public IReadOnlyList<int> Shape { get; }

    /// <summary>Number of elements.</summary>
    public int Count { get; }

    /// <summary>Bytes of one element.</summary>
    public int ElementSize => Type is NpyElementType.Float32 or NpyElementType.Int32 ? 4 : 8;

    /// <summary>Bytes of all elements.</summary>
    public long ByteLength => (long)Count * ElementSize;

    /// <summary>Reads a header and leaves the stream at the first element.</summary>
    /// <param name="name">The file's name, for messages.</param>
    /// <exception cref="InvalidDataException">Not a header, or one of an array that is not supported.</exception>
    public static NpyHeader Read(Stream stream, string name) => Read(stream, name, out _);

    /// <param name="byteLength">Receives the bytes before the first element.</param>
    /// <inheritdoc cref="Read(Stream, string)"/>
    internal static NpyHeader Read(Stream stream, string name, out long byteLength)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Span<byte> preamble = stackalloc byte[8];
        ReadExactly(stream, preamble, name);
        if (!preamble.StartsWith(MagicAndVersion1[..6]))
        {
            throw new InvalidDataException($"{name} is not a .npy file: it does not start with \\x93NUMPY.");
        }

        int major = preamble[6];
        if (major is < 1 or > 3 || preamble[7] != 0)
        {
            throw new InvalidDataException($"{name} has .npy version {major}.{preamble[7]}; wanted 1.0, 2.0 or 3.0.");
        }

        Span<byte> lengthBytes = stackalloc byte[4];
        lengthBytes.Clear();
        int lengthSize = major == 1 ? 2 : 4;
        ReadExactly(stream, lengthBytes[..lengthSize], name);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(lengthBytes);
        if (length > LongestHeader)
        {
            throw new InvalidDataException($"{name} announces a header of {length} bytes; wanted at most {LongestHeader}.");
        }

        var header = new byte[length];
        ReadExactly(stream, header, name);
        byteLength = preamble.Length + lengthSize + length;
        string text = (major == 3 ? Encoding.UTF8 : Encoding.Latin1).GetString(header);
        return NpyHeaderParser.Parse(text, name);
    }

    /// <summary>Writes the header; the elements follow in C order.</summary>
    public void Write(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        string text = $"{{'descr': '{Describe(Type)}', 'fortran_order': False, 'shape': {this}, }}";
        int unpadded = PreambleLength + text.Length + 1;
        int padding = (Alignment - (unpadded % Alignment)) % Alignment;
        var bytes = new byte[unpadded + padding];
        Span<byte> rest = bytes;
        MagicAndVersion1.CopyTo(rest);
        BinaryPrimitives.WriteUInt16LittleEndian(rest[8..], checked((ushort)(bytes.Length - PreambleLength)));
        Encoding.ASCII.GetBytes(text, rest[PreambleLength..]);
        rest[(PreambleLength + text.Length)..].Fill((byte)' ');
        rest[^1] = (byte)'\n';
        stream.Write(bytes);
    }

    /// <summary>Shape as NumPy prints it.</summary>
    public override string ToString() => FormatShape(Shape);

    /// <summary>A shape as NumPy prints it: <c>(3, 4)</c>, <c>(3,)</c>, <c>()</c>.</summary>
    public static string FormatShape(IReadOnlyList<int> shape)
    {
        ArgumentNullException.ThrowIfNull(shape);
        return $"({string.Join(", ", shape)}{(shape.Count == 1 ? "," : "")})";
    }

    internal static string Describe(NpyElementType type) => type switch
    {
        NpyElementType.Float32 => "<f4",
        NpyElementType.Float64 => "<f8",
        NpyElementType.Int32 => "<i4",
        _ => "<i8",
    };

    private static ReadOnlySpan<byte> MagicAndVersion1 => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y', 1, 0];

    private static int CountElements(IReadOnlyList<int> shape)
    {
        long count = 1;
        foreach (int size in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(size, nameof(shape));
            count = shape.Contains(0) ? 0 : count * size;
            if (count > int.MaxValue)
            {
                throw new ArgumentException($"The shape {FormatShape(shape)} has more than {int.MaxValue} elements.", nameof(shape));
            }
        }

        return (int)count;
    }

    private static void ReadExactly(Stream stream, Span<byte> destination, string name)
    {
        if (stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false) < destination.Length)
        {
            throw new InvalidDataException($"{name} ends inside its .npy header.");
        }
    }
}
