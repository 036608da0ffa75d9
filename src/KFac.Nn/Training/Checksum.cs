using System.Numerics;
using System.Runtime.InteropServices;

namespace KFac.Nn;

/// <summary>CRC-32C (Castagnoli) of a stream of bytes that comes in pieces.</summary>
/// <remarks>Needs no cryptography library, runs at several GB/s where the processor has the instruction, and finds every
/// error burst of up to 32 bits.</remarks>
internal static class Checksum
{
    /// <summary>What to start from.</summary>
    public const uint Initial = uint.MaxValue;

    /// <summary>Goes on from <paramref name="crc"/>; how the bytes are cut into pieces does not matter.</summary>
    public static uint Append(uint crc, ReadOnlySpan<byte> bytes)
    {
        ReadOnlySpan<ulong> words = MemoryMarshal.Cast<byte, ulong>(bytes);
        foreach (ulong word in words)
        {
            crc = BitOperations.Crc32C(crc, word);
        }

        foreach (byte rest in bytes[(words.Length * sizeof(ulong))..])
        {
            crc = BitOperations.Crc32C(crc, rest);
        }

        return crc;
    }

    /// <summary>The checksum of everything appended. Inverted, as the standard has it, so that zeros after a checksum are noticed.</summary>
    public static uint Finish(uint crc) => ~crc;
}
