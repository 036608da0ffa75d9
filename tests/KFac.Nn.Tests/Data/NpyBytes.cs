using System.Buffers.Binary;
using System.Text;

namespace KFac.Nn.Tests;

/// <summary>Lays out <c>.npy</c> bytes by hand from the description in numpy.lib.format, independently of the code under test.</summary>
internal static class NpyBytes
{
    /// <summary>What numpy.save writes for <c>array([[1.5, -2, nan], [inf, 0, 1e-40]], float32)</c>.</summary>
    public static byte[] SavedByNumPy()
    {
        string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }".PadRight(117) + "\n";
        byte[] start = [0x93, 0x4E, 0x55, 0x4D, 0x50, 0x59, 0x01, 0x00, 0x76, 0x00];
        byte[] data =
        [
            0x00, 0x00, 0xC0, 0x3F, 0x00, 0x00, 0x00, 0xC0, 0x00, 0x00, 0xC0, 0x7F,
            0x00, 0x00, 0x80, 0x7F, 0x00, 0x00, 0x00, 0x00, 0xC2, 0x16, 0x01, 0x00,
        ];
        return [.. start, .. Encoding.ASCII.GetBytes(header), .. data];
    }

    public static byte[] Make(string dictionary, ReadOnlySpan<byte> data, int major = 1, int minor = 0)
    {
        byte[] text = Encoding.UTF8.GetBytes(dictionary);
        var length = new byte[major == 1 ? 2 : 4];
        if (major == 1)
        {
            BinaryPrimitives.WriteUInt16LittleEndian(length, (ushort)text.Length);
        }
        else
        {
            BinaryPrimitives.WriteInt32LittleEndian(length, text.Length);
        }

        return [0x93, .. "NUMPY"u8, (byte)major, (byte)minor, .. length, .. text, .. data];
    }

    public static byte[] Doubles(params double[] values)
    {
        var bytes = new byte[8 * values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(8 * i), values[i]);
        }

        return bytes;
    }

    public static byte[] Longs(params long[] values)
    {
        var bytes = new byte[8 * values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(8 * i), values[i]);
        }

        return bytes;
    }

    public static NpyReader Open(byte[] bytes, bool lengthKnown = true) =>
        new(new MemoryStream(bytes), "X.npy", lengthKnown ? bytes.Length : null);
}
