using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Restores state from a checkpoint file into what it is shown.</summary>
/// <remarks>
/// Layout, everything little-endian: 8 bytes of magic and version; the fingerprint; one entry per piece of state, in the
/// order in which it is visited; the byte <c>E</c>; CRC-32C of all bytes before. Texts are UTF-8 after their length in bytes
/// as int64. An entry is a tag, a name and a value: <c>I</c> an int64, <c>R</c> a float64, <c>V</c> a length as int64
/// and as many float32.
/// </remarks>
internal sealed class CheckpointReader : IStateVisitor
{
    private readonly Stream _file;
    private readonly string _path;
    private readonly DeviceStream _device;
    private readonly float[] _block = new float[CheckpointFormat.BlockLength];

    /// <summary>Checks the whole file before anything is restored from it.</summary>
    /// <exception cref="InvalidDataException">The file is foreign, truncated or corrupt.</exception>
    public CheckpointReader(Stream file, string path, DeviceStream device)
    {
        _file = file;
        _path = path;
        _device = device;
        VerifyChecksum();
        _file.Position = CheckpointFormat.Magic.Length;
        Fingerprint = ReadText();
    }

    /// <summary>What the run that wrote the file was.</summary>
    public string Fingerprint { get; }

    public void Vector(string name, VectorView<float> view)
    {
        Entry(CheckpointFormat.VectorTag, name);
        long length = ReadInteger();
        if (length != view.Length)
        {
            throw new InvalidDataException($"{_path}: {name} has {length} elements; wanted {view.Length}.");
        }

        for (int start = 0; start < view.Length; start += _block.Length)
        {
            Span<float> block = _block.AsSpan(0, Math.Min(_block.Length, view.Length - start));
            ReadExactly(MemoryMarshal.AsBytes(block));
            _device.Upload<float>(block, view.Slice(start, block.Length));
        }
    }

    public void Integer(string name, ref long value)
    {
        Entry(CheckpointFormat.IntegerTag, name);
        value = ReadInteger();
    }

    public void Real(string name, ref double value)
    {
        Entry(CheckpointFormat.RealTag, name);
        value = BitConverter.Int64BitsToDouble(ReadInteger());
    }

    /// <summary>Fails unless everything in the file was read.</summary>
    public void End()
    {
        if (_file.ReadByte() != CheckpointFormat.EndTag)
        {
            throw new InvalidDataException($"{_path} holds more state than this run has; it was written by another version.");
        }
    }

    private void VerifyChecksum()
    {
        int magicLength = CheckpointFormat.Magic.Length;
        Span<byte> magic = stackalloc byte[magicLength];
        int read = _file.ReadAtLeast(magic, magicLength, throwOnEndOfStream: false);
        if (!magic[..read].SequenceEqual(CheckpointFormat.Magic[..read]))
        {
            throw new InvalidDataException($"{_path} is not a checkpoint of this version of KFac.");
        }

        uint crc = Checksum.Append(Checksum.Initial, magic[..read]);
        var buffer = new byte[sizeof(float) * CheckpointFormat.BlockLength];
        long left = _file.Length - magicLength - sizeof(uint);
        while (left > 0)
        {
            Span<byte> part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, left));
            ReadExactly(part);
            crc = Checksum.Append(crc, part);
            left -= part.Length;
        }

        Span<byte> trailer = stackalloc byte[sizeof(uint)];
        if (left < 0 || _file.Read(trailer) < trailer.Length || BinaryPrimitives.ReadUInt32LittleEndian(trailer) != Checksum.Finish(crc))
        {
            throw new InvalidDataException($"{_path} is truncated or corrupt: its checksum does not match.");
        }
    }

    private void Entry(byte tag, string name)
    {
        int found = _file.ReadByte();
        string foundName = found == CheckpointFormat.EndTag ? "the end" : ReadText();
        if (found != tag || foundName != name)
        {
            throw new InvalidDataException($"{_path} holds {foundName} where this run has {name}; it was written by another version.");
        }
    }

    private string ReadText()
    {
        long length = ReadInteger();
        if (length < 0 || length > _file.Length - _file.Position)
        {
            throw new InvalidDataException($"{_path} holds a text of {length} bytes; it was written by another version.");
        }

        var bytes = new byte[length];
        ReadExactly(bytes);
        return Encoding.UTF8.GetString(bytes);
    }

    private long ReadInteger()
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        ReadExactly(bytes);
        return BinaryPrimitives.ReadInt64LittleEndian(bytes);
    }

    private void ReadExactly(Span<byte> bytes)
    {
        if (_file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
        {
            throw new InvalidDataException($"{_path} ends too early; it was written by another version, or is being written to.");
        }
    }
}
