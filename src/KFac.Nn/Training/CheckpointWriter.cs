using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Writes the state it is shown to a stream, in the layout that <see cref="CheckpointReader"/> documents.</summary>
internal sealed class CheckpointWriter(Stream file, DeviceStream device) : IStateVisitor
{
    private readonly float[] _block = new float[CheckpointFormat.BlockLength];
    private uint _crc = Checksum.Initial;

    public void Begin(string fingerprint)
    {
        Write(CheckpointFormat.Magic);
        byte[] text = Encoding.UTF8.GetBytes(fingerprint);
        WriteInteger(text.Length);
        Write(text);
    }

    public void Vector(string name, VectorView<float> view)
    {
        Entry(CheckpointFormat.VectorTag, name);
        WriteInteger(view.Length);
        for (int start = 0; start < view.Length; start += _block.Length)
        {
            Span<float> block = _block.AsSpan(0, Math.Min(_block.Length, view.Length - start));
            device.Download(view.Slice(start, block.Length), block);
            Write(MemoryMarshal.AsBytes(block));
        }
    }

    public void Integer(string name, ref long value)
    {
        Entry(CheckpointFormat.IntegerTag, name);
        WriteInteger(value);
    }

    public void Real(string name, ref double value)
    {
        Entry(CheckpointFormat.RealTag, name);
        WriteInteger(BitConverter.DoubleToInt64Bits(value));
    }

    public void End()
    {
        Write([CheckpointFormat.EndTag]);
        Span<byte> trailer = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(trailer, Checksum.Finish(_crc));
        file.Write(trailer);
    }

    private void Entry(byte tag, string name)
    {
        Write([tag]);
        byte[] text = Encoding.UTF8.GetBytes(name);
        WriteInteger(text.Length);
        Write(text);
    }

    private void WriteInteger(long value)
    {
        Span<byte> bytes = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        Write(bytes);
    }

    private void Write(ReadOnlySpan<byte> bytes)
    {
        _crc = Checksum.Append(_crc, bytes);
        file.Write(bytes);
    }
}
