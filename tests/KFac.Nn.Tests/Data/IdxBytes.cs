using System.Buffers.Binary;
using System.IO.Compression;

namespace KFac.Nn.Tests;

/// <summary>Makes IDX files for tests.</summary>
internal static class IdxBytes
{
    public static byte[] Of(ReadOnlySpan<byte> values, params int[] dimensions)
    {
        var bytes = new byte[4 + (4 * dimensions.Length) + values.Length];
        bytes[2] = 0x08;
        bytes[3] = (byte)dimensions.Length;
        for (int i = 0; i < dimensions.Length; i++)
        {
            BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(4 + (4 * i)), dimensions[i]);
        }

        values.CopyTo(bytes.AsSpan(4 + (4 * dimensions.Length)));
        return bytes;
    }

    public static byte[] Zip(byte[] bytes)
    {
        using var zipped = new MemoryStream();
        using (var gzip = new GZipStream(zipped, CompressionLevel.Fastest))
        {
            gzip.Write(bytes);
        }

        return zipped.ToArray();
    }

    /// <summary>Images of 2×3 pixels whose values count up, and labels that count up modulo 10.</summary>
    public static void WritePart(TemporaryDirectory directory, string part, int images, int? labels = null, bool zip = false)
    {
        var pixels = new byte[images * 6];
        for (int i = 0; i < pixels.Length; i++)
        {
            pixels[i] = (byte)i;
        }

        var classes = new byte[labels ?? images];
        for (int i = 0; i < classes.Length; i++)
        {
            classes[i] = (byte)(i % 10);
        }

        Write(directory, $"{part}-images-idx3-ubyte", Of(pixels, images, 2, 3), zip);
        Write(directory, $"{part}-labels-idx1-ubyte", Of(classes, classes.Length), zip);
    }

    private static void Write(TemporaryDirectory directory, string name, byte[] bytes, bool zip) =>
        File.WriteAllBytes(directory.File(zip ? name + ".gz" : name), zip ? Zip(bytes) : bytes);
}
