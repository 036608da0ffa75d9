using System.Runtime.CompilerServices;
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

/// <summary>Sixteen blocks in two groups of 512-bit vectors: the lower half of each 64 bits is a word of one block.</summary>
/// <remarks>A product of two words fills its 64 bits: the upper half shifted down, and the product itself, whose upper half
/// nobody reads, are the two words that a round takes from it. Six operations a round and group, against nine with words side by
/// side. At the end words 0 and 1, and 2 and 3, join; unpacking leaves block 2L + k in part L of result k, so the lanes start
/// with counters permuted.</remarks>
internal readonly unsafe struct PhiloxLanes512 : IPhiloxLanes
{
    public static int Blocks => 16;

    public static void Fill(PhiloxKey key, ulong first, uint* words)
    {
        Vector512<ulong> x0 = Vector512.Create((ulong)(uint)first) + Vector512.Create(0ul, 4, 1, 5, 2, 6, 3, 7);
        Vector512<ulong> y0 = x0 + Vector512.Create(8ul);
        Vector512<ulong> x1 = Vector512.Create(first >> 32), x2 = Vector512.Create((ulong)(uint)key.Sequence), x3 = Vector512.Create(key.Sequence >> 32);
        Vector512<ulong> y1 = x1, y2 = x2, y3 = x3;
        uint key0 = (uint)key.Seed;
        uint key1 = (uint)(key.Seed >> 32);
        for (int round = 0; round < PhiloxBlock.Rounds; round++)
        {
            Vector512<ulong> keys0 = Vector512.Create((ulong)key0), keys1 = Vector512.Create((ulong)key1);
            Round(ref x0, ref x1, ref x2, ref x3, keys0, keys1);
            Round(ref y0, ref y1, ref y2, ref y3, keys0, keys1);
            key0 = unchecked(key0 + PhiloxBlock.Weyl0);
            key1 = unchecked(key1 + PhiloxBlock.Weyl1);
        }

        Store(Join(x0, x1), Join(x2, x3), words);
        Store(Join(y0, y1), Join(y2, y3), words + 32);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Round(
        ref Vector512<ulong> c0, ref Vector512<ulong> c1, ref Vector512<ulong> c2, ref Vector512<ulong> c3, Vector512<ulong> key0, Vector512<ulong> key1)
    {
        Vector512<ulong> product0 = Avx512F.Multiply(c0.AsUInt32(), Vector512.Create(PhiloxBlock.Multiplier0));
        Vector512<ulong> product1 = Avx512F.Multiply(c2.AsUInt32(), Vector512.Create(PhiloxBlock.Multiplier1));
        c0 = ExclusiveOr(product1 >> 32, c1, key0);
        c2 = ExclusiveOr(product0 >> 32, c3, key1);
        c1 = product1;
        c3 = product0;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> ExclusiveOr(Vector512<ulong> x, Vector512<ulong> y, Vector512<ulong> z) =>
        Avx512F.TernaryLogic(x, y, z, 0b10010110);

    /// <summary>Lower halves of one in the lower halves, of the other in the upper ones.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Join(Vector512<ulong> lower, Vector512<ulong> upper) =>
        Vector512.ConditionalSelect(Vector512.Create(0x00000000_FFFFFFFFUL), lower, upper << 32);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<ulong> words01, Vector512<ulong> words23, uint* words)
    {
        Avx512F.UnpackLow(words01, words23).AsUInt32().Store(words);
        Avx512F.UnpackHigh(words01, words23).AsUInt32().Store(words + 16);
    }
}
