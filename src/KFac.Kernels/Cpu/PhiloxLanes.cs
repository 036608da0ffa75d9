using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>Several consecutive Philox blocks at once.</summary>
internal unsafe interface IPhiloxLanes
{
    /// <summary>Blocks at once.</summary>
    static abstract int Blocks { get; }

    /// <summary>Writes the 4·<see cref="Blocks"/> words of blocks <paramref name="first"/> on, in order.</summary>
    /// <remarks>The lower half of the block index must not overflow within them.</remarks>
    static abstract void Fill(PhiloxKey key, ulong first, uint* words);
}

/// <summary>Fills memory with consecutive words of a sequence.</summary>
internal static unsafe class PhiloxWords<TLanes>
    where TLanes : struct, IPhiloxLanes
{
    /// <summary>Words <paramref name="number"/> on.</summary>
    public static void Fill(PhiloxKey key, ulong number, uint* words, int count)
    {
        int i = 0;
        while (i < count)
        {
            ulong block = (number + (ulong)i) / 4;
            int word = (int)((number + (ulong)i) % 4);
            bool whole = word == 0 && count - i >= 4 * TLanes.Blocks;
            if (whole && (uint)block <= uint.MaxValue - (uint)TLanes.Blocks)
            {
                TLanes.Fill(key, block, words + i);
                i += 4 * TLanes.Blocks;
                continue;
            }

            PhiloxBlock one = PhiloxBlock.At(key, block);
            for (; word < 4 && i < count; word++, i++)
            {
                words[i] = one.Word(word);
            }
        }
    }
}

/// <summary>One block at a time.</summary>
internal readonly unsafe struct PhiloxLanes1 : IPhiloxLanes
{
    public static int Blocks => 1;

    public static void Fill(PhiloxKey key, ulong first, uint* words)
    {
        (words[0], words[1], words[2], words[3]) = PhiloxBlock.At(key, first);
    }
}

/// <summary>Eight blocks in 256-bit vectors: lane i of vector w is word w of one block.</summary>
/// <remarks>Within every 128 bits the words are transposed by unpacking, which leaves block 4L + k in part L of result k;
/// the lanes start with counters permuted so that the results are in order.</remarks>
internal readonly unsafe struct PhiloxLanes256 : IPhiloxLanes
{
    public static int Blocks => 8;

    public static void Fill(PhiloxKey key, ulong first, uint* words)
    {
        Vector256<uint> c0 = Vector256.Create((uint)first) + Vector256.Create(0u, 2, 4, 6, 1, 3, 5, 7);
        Vector256<uint> c1 = Vector256.Create((uint)(first >> 32));
        Vector256<uint> c2 = Vector256.Create((uint)key.Sequence);
        Vector256<uint> c3 = Vector256.Create((uint)(key.Sequence >> 32));
        uint key0 = (uint)key.Seed;
        uint key1 = (uint)(key.Seed >> 32);
        for (int round = 0; round < PhiloxBlock.Rounds; round++)
        {
            (Vector256<uint> high0, Vector256<uint> low0) = Multiply(c0, Vector256.Create(PhiloxBlock.Multiplier0));
            (Vector256<uint> high1, Vector256<uint> low1) = Multiply(c2, Vector256.Create(PhiloxBlock.Multiplier1));
            (c0, c1, c2, c3) = (high1 ^ c1 ^ Vector256.Create(key0), low1, high0 ^ c3 ^ Vector256.Create(key1), low0);
            key0 = unchecked(key0 + PhiloxBlock.Weyl0);
            key1 = unchecked(key1 + PhiloxBlock.Weyl1);
        }

        Vector256<ulong> low01 = Avx2.UnpackLow(c0, c1).AsUInt64();
        Vector256<ulong> low23 = Avx2.UnpackLow(c2, c3).AsUInt64();
        Vector256<ulong> high01 = Avx2.UnpackHigh(c0, c1).AsUInt64();
        Vector256<ulong> high23 = Avx2.UnpackHigh(c2, c3).AsUInt64();
        Avx2.UnpackLow(low01, low23).AsUInt32().Store(words);
        Avx2.UnpackHigh(low01, low23).AsUInt32().Store(words + 8);
        Avx2.UnpackLow(high01, high23).AsUInt32().Store(words + 16);
        Avx2.UnpackHigh(high01, high23).AsUInt32().Store(words + 24);
    }

    private static (Vector256<uint> High, Vector256<uint> Low) Multiply(Vector256<uint> left, Vector256<uint> right)
    {
        Vector256<ulong> even = Avx2.Multiply(left, right);
        Vector256<ulong> odd = Avx2.Multiply((left.AsUInt64() >> 32).AsUInt32(), right);
        const byte Odd = 0b10101010;
        return (Avx2.Blend((even >> 32).AsUInt32(), odd.AsUInt32(), Odd), Avx2.Blend(even.AsUInt32(), (odd << 32).AsUInt32(), Odd));
    }
}

/// <summary>Sixteen blocks in 512-bit vectors, as <see cref="PhiloxLanes256"/>.</summary>
internal readonly unsafe struct PhiloxLanes512 : IPhiloxLanes
{
    public static int Blocks => 16;

    public static void Fill(PhiloxKey key, ulong first, uint* words)
    {
        Vector512<uint> c0 = Vector512.Create((uint)first)
            + Vector512.Create(0u, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        Vector512<uint> c1 = Vector512.Create((uint)(first >> 32));
        Vector512<uint> c2 = Vector512.Create((uint)key.Sequence);
        Vector512<uint> c3 = Vector512.Create((uint)(key.Sequence >> 32));
        uint key0 = (uint)key.Seed;
        uint key1 = (uint)(key.Seed >> 32);
        for (int round = 0; round < PhiloxBlock.Rounds; round++)
        {
            (Vector512<uint> high0, Vector512<uint> low0) = Multiply(c0, Vector512.Create(PhiloxBlock.Multiplier0));
            (Vector512<uint> high1, Vector512<uint> low1) = Multiply(c2, Vector512.Create(PhiloxBlock.Multiplier1));
            (c0, c1, c2, c3) = (high1 ^ c1 ^ Vector512.Create(key0), low1, high0 ^ c3 ^ Vector512.Create(key1), low0);
            key0 = unchecked(key0 + PhiloxBlock.Weyl0);
            key1 = unchecked(key1 + PhiloxBlock.Weyl1);
        }

        Vector512<ulong> low01 = Avx512F.UnpackLow(c0, c1).AsUInt64();
        Vector512<ulong> low23 = Avx512F.UnpackLow(c2, c3).AsUInt64();
        Vector512<ulong> high01 = Avx512F.UnpackHigh(c0, c1).AsUInt64();
        Vector512<ulong> high23 = Avx512F.UnpackHigh(c2, c3).AsUInt64();
        Avx512F.UnpackLow(low01, low23).AsUInt32().Store(words);
        Avx512F.UnpackHigh(low01, low23).AsUInt32().Store(words + 16);
        Avx512F.UnpackLow(high01, high23).AsUInt32().Store(words + 32);
        Avx512F.UnpackHigh(high01, high23).AsUInt32().Store(words + 48);
    }

    private static (Vector512<uint> High, Vector512<uint> Low) Multiply(Vector512<uint> left, Vector512<uint> right)
    {
        Vector512<ulong> even = Avx512F.Multiply(left, right);
        Vector512<ulong> odd = Avx512F.Multiply((left.AsUInt64() >> 32).AsUInt32(), right);
        Vector512<ulong> upper = Vector512.Create(0xFFFFFFFF_00000000UL);
        return (
            Vector512.ConditionalSelect(upper, odd, even >> 32).AsUInt32(),
            Vector512.ConditionalSelect(upper, odd << 32, even).AsUInt32());
    }
}
