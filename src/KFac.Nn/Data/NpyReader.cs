using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace KFac.Nn;

/// <summary>Reads the elements of a <c>.npy</c> array from first to last, in pieces of any size.</summary>
/// <remarks>Where the length is known it is compared with the shape before anything of that size is allocated, so a
/// truncated file, or one with bytes after its data, is refused at once. Every failure names the file.</remarks>
public sealed class NpyReader : IDisposable
{
    private const int BlockElements = 8192;
    private const int PieceElements = 1 << 20;

    private readonly Stream _stream;
    private readonly string _name;
    private long[] _block = [];
    private long _position;

    /// <summary>Reads the header from <paramref name="stream"/>, which the reader owns from now on.</summary>
    /// <param name="name">The file's name, for messages.</param>
    /// <param name="byteLength">Bytes of the whole array, header included; null when not known in advance.</param>
    /// <exception cref="InvalidDataException">The header is malformed or not supported, or the length does not fit it.</exception>
    public NpyReader(Stream stream, string name, long? byteLength)
    {
        ArgumentNullException.ThrowIfNull(stream);
        _stream = stream;
        _name = name;
        Header = NpyHeader.Read(stream, name, out long headerLength);
        if (byteLength - headerLength is { } found && found != Header.ByteLength)
        {
            throw new InvalidDataException(
                $"{name} has {found} bytes of data; wanted {Header.ByteLength} for shape {Header} of {NpyHeader.Describe(Header.Type)}.");
        }
    }

    /// <summary>Element type and shape.</summary>
    public NpyHeader Header { get; }

    /// <summary>Opens a file.</summary>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is not a supported <c>.npy</c> file.</exception>
    public static NpyReader Open(string path)
    {
        InputPath.RequireFile(path, "a .npy file");
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
        try
        {
            return new NpyReader(stream, path, stream.CanSeek ? stream.Length : null);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Reads the next elements of a float32 or float64 array; float64 is rounded to nearest.</summary>
    /// <exception cref="InvalidDataException">The array holds whole numbers or ends too early, or a finite float64 is
    /// beyond float32's range.</exception>
    public void Read(Span<float> destination)
    {
        switch (Header.Type)
        {
            case NpyElementType.Float32:
                ReadWords(MemoryMarshal.Cast<float, int>(destination));
                break;
            case NpyElementType.Float64:
                ReadWide(destination, Narrow);
                break;
            default:
                throw new InvalidDataException($"{_name} holds {NpyHeader.Describe(Header.Type)}; wanted <f4 or <f8.");
        }
    }

    /// <summary>Reads the next elements of an int32 or int64 array.</summary>
    /// <exception cref="InvalidDataException">The array holds floating-point numbers or ends too early, or an int64 is
    /// beyond int32's range.</exception>
    public void Read(Span<int> destination)
    {
        switch (Header.Type)
        {
            case NpyElementType.Int32:
                ReadWords(destination);
                break;
            case NpyElementType.Int64:
                ReadWide(destination, NarrowInteger);
                break;
            default:
                throw new InvalidDataException($"{_name} holds {NpyHeader.Describe(Header.Type)}; wanted <i4 or <i8.");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _stream.Dispose();

    private void ReadWords(Span<int> destination)
    {
        // In pieces, because a span of bytes cannot hold 2³¹ of them.
        while (!destination.IsEmpty)
        {
            Span<int> piece = destination[..Math.Min(PieceElements, destination.Length)];
            Advance(piece.Length, MemoryMarshal.AsBytes(piece));
            if (!BitConverter.IsLittleEndian)
            {
                BinaryPrimitives.ReverseEndianness(piece, piece);
            }

            destination = destination[piece.Length..];
        }
    }

    private void ReadWide<T>(Span<T> destination, Func<long, long, T> narrow)
    {
        if (_block.Length == 0)
        {
            _block = new long[BlockElements];
        }

        while (!destination.IsEmpty)
        {
            Span<long> block = _block.AsSpan(0, Math.Min(BlockElements, destination.Length));
            long first = _position;
            Advance(block.Length, MemoryMarshal.AsBytes(block));
            for (int i = 0; i < block.Length; i++)
            {
                long bits = BitConverter.IsLittleEndian ? block[i] : BinaryPrimitives.ReverseEndianness(block[i]);
                destination[i] = narrow(bits, first + i);
            }

            destination = destination[block.Length..];
        }
    }

    private float Narrow(long bits, long index)
    {
        double wide = BitConverter.Int64BitsToDouble(bits);
        float narrow = (float)wide;
        return float.IsInfinity(narrow) && double.IsFinite(wide)
            ? throw new InvalidDataException($"{_name} holds {wide:R} at index {index} in C order, beyond the range of float32.")
            : narrow;
    }

    private int NarrowInteger(long value, long index) => value is < int.MinValue or > int.MaxValue
        ? throw new InvalidDataException($"{_name} holds {value} at index {index} in C order, beyond the range of int32.")
        : (int)value;

    private void Advance(int elements, Span<byte> destination)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(elements, Header.Count - _position);
        if (_stream.ReadAtLeast(destination, destination.Length, throwOnEndOfStream: false) < destination.Length)
        {
            throw new InvalidDataException($"{_name} ends before its {Header.Count} elements of shape {Header} are complete.");
        }

        _position += elements;
    }
}
