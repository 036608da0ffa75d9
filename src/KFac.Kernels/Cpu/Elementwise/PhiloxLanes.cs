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
            if ((uint)block > uint.MaxValue - (uint)TLanes.Blocks || count - i <= 4)
            {
                i += FillOne(key, block, word, words + i, count - i);
            }
            else if (word == 0 && count - i >= 4 * TLanes.Blocks)
            {
                TLanes.Fill(key, block, words + i);
                i += 4 * TLanes.Blocks;
            }
            else
            {
                i += FillPart(key, block, word, words + i, count - i);
            }
        }
    }

    /// <returns>Words written, of one block.</returns>
    private static int FillOne(PhiloxKey key, ulong block, int word, uint* words, int count)
    {
        PhiloxBlock one = PhiloxBlock.At(key, block);
        int written = Math.Min(4 - word, count);
        for (int i = 0; i < written; i++)
        {
            words[i] = one.Word(word + i);
        }

        return written;
    }

    /// <returns>Words written, of as many blocks as there are lanes.</returns>
    private static int FillPart(PhiloxKey key, ulong block, int word, uint* words, int count)
    {
        uint* memory = stackalloc uint[(4 * TLanes.Blocks) + CacheLine.Floats];
        uint* all = CacheLine.Align(memory);
        TLanes.Fill(key, block, all);
        int written = Math.Min((4 * TLanes.Blocks) - word, count);
        new ReadOnlySpan<uint>(all + word, written).CopyTo(new Span<uint>(words, written));
        return written;
    }
}

/// <summary>How kernels that use random words at once walk over their elements.</summary>
/// <remarks>In steps of a few vectors, so that the processor can make the words of the next step while memory takes the results of
/// this one; a step is as long as the widest lanes make words at once. The first step ends at a block's end, so that all others start at one.</remarks>
internal static class PhiloxSteps
{
    /// <summary>Elements of a step at most.</summary>
    public const int Most = 192;

    /// <summary>Elements of the step that starts with word <paramref name="number"/>.</summary>
    public static int Length(ulong number, long left) => (int)Math.Min(number % 4 == 0 ? Most : 4 - (int)(number % 4), left);
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

/// <summary>Forty-eight blocks in six groups of 512-bit vectors: the lower half of each 64 bits is a word of one block.</summary>
/// <remarks>
/// A product of two words fills its 64 bits: the upper half shifted down, and the product itself, whose upper half nobody reads,
/// are the two words that a round takes from it. Six operations a round and group, two of them multiplications. A group's chain
/// of ten rounds takes about 70 cycles, which four groups would leave a quarter of to wait. Words 1, 2 and 3 of the counters are the same in all lanes, which leaves three
/// operations of the first round and four of the second. At the end two shuffles join words 0 and 1, and 2 and 3, of two blocks each, and
/// two more part these blocks, which leaves block L in part L of one result and block 4 + L in the other; the lanes
/// start with counters permuted.
/// For a vector of sixteen words: 27 operations of the rounds, of them 9 multiplications on two of the processor's four vector ports, and 2
/// shuffles; at best 7.3 cycles (Zen 5), 12 measured with the conversion to uniform numbers. The same loop in C, all rounds unrolled, takes 16, 14.5,
/// 12.8, 10.9 and 10.9 for two, three, four, six and eight groups.
/// </remarks>
internal readonly unsafe struct PhiloxLanes512 : IPhiloxLanes
{
    private const int BlocksInGroup = 8;

    public static int Blocks => 6 * BlocksInGroup;

    public static void Fill(PhiloxKey key, ulong first, uint* words)
    {
        // The first two rounds, as far as all lanes share them.
        uint key0 = (uint)key.Seed, key1 = (uint)(key.Seed >> 32);
        ulong product1 = (ulong)PhiloxBlock.Multiplier1 * (uint)key.Sequence;
        ulong product0 = (ulong)PhiloxBlock.Multiplier0 * ((uint)(product1 >> 32) ^ (uint)(first >> 32) ^ key0);
        Vector512<ulong> shared2 = Vector512.Create((ulong)((uint)(key.Sequence >> 32) ^ key1));
        key0 = unchecked(key0 + PhiloxBlock.Weyl0);
        key1 = unchecked(key1 + PhiloxBlock.Weyl1);
        Vector512<ulong> shared0 = Vector512.Create((ulong)((uint)product1 ^ key0));
        Vector512<ulong> next2 = Vector512.Create((ulong)((uint)(product0 >> 32) ^ key1));

        // Products of counters that follow each other differ by the multiplier.
        Vector512<ulong> counters = Vector512.Create((ulong)(uint)first) + Vector512.Create(0ul, 4, 1, 5, 2, 6, 3, 7);
        Vector512<ulong> x3 = Vector512.Create((ulong)(uint)product0), y3 = x3, z3 = x3, w3 = x3, u3 = x3, v3 = x3;
        Vector512<ulong> x2 = Avx512F.Multiply(counters.AsUInt32(), Vector512.Create(PhiloxBlock.Multiplier0));
        Vector512<ulong> y2 = x2 + Vector512.Create(1ul * BlocksInGroup * PhiloxBlock.Multiplier0);
        Vector512<ulong> z2 = x2 + Vector512.Create(2ul * BlocksInGroup * PhiloxBlock.Multiplier0);
        Vector512<ulong> w2 = x2 + Vector512.Create(3ul * BlocksInGroup * PhiloxBlock.Multiplier0);
        Vector512<ulong> u2 = x2 + Vector512.Create(4ul * BlocksInGroup * PhiloxBlock.Multiplier0);
        Vector512<ulong> v2 = x2 + Vector512.Create(5ul * BlocksInGroup * PhiloxBlock.Multiplier0);
        Start(out Vector512<ulong> x0, out Vector512<ulong> x1, ref x2, shared2, shared0, next2);
        Start(out Vector512<ulong> y0, out Vector512<ulong> y1, ref y2, shared2, shared0, next2);
        Start(out Vector512<ulong> z0, out Vector512<ulong> z1, ref z2, shared2, shared0, next2);
        Start(out Vector512<ulong> w0, out Vector512<ulong> w1, ref w2, shared2, shared0, next2);
        Start(out Vector512<ulong> u0, out Vector512<ulong> u1, ref u2, shared2, shared0, next2);
        Start(out Vector512<ulong> v0, out Vector512<ulong> v1, ref v2, shared2, shared0, next2);

        Vector512<uint> keys0 = Vector512.Create(key0), keys1 = Vector512.Create(key1);
        for (int round = 2; round < PhiloxBlock.Rounds; round++)
        {
            keys0 += Vector512.Create(PhiloxBlock.Weyl0);
            keys1 += Vector512.Create(PhiloxBlock.Weyl1);
            Round(ref x0, ref x1, ref x2, ref x3, keys0.AsUInt64(), keys1.AsUInt64());
            Round(ref y0, ref y1, ref y2, ref y3, keys0.AsUInt64(), keys1.AsUInt64());
            Round(ref z0, ref z1, ref z2, ref z3, keys0.AsUInt64(), keys1.AsUInt64());
            Round(ref w0, ref w1, ref w2, ref w3, keys0.AsUInt64(), keys1.AsUInt64());
            Round(ref u0, ref u1, ref u2, ref u3, keys0.AsUInt64(), keys1.AsUInt64());
            Round(ref v0, ref v1, ref v2, ref v3, keys0.AsUInt64(), keys1.AsUInt64());
        }

        Store(x0, x1, x2, x3, words);
        Store(y0, y1, y2, y3, words + (4 * BlocksInGroup));
        Store(z0, z1, z2, z3, words + (8 * BlocksInGroup));
        Store(w0, w1, w2, w3, words + (12 * BlocksInGroup));
        Store(u0, u1, u2, u3, words + (16 * BlocksInGroup));
        Store(v0, v1, v2, v3, words + (20 * BlocksInGroup));
    }

    /// <summary>Rounds 0 and 1 of a group, whose product of word 0 is given in <paramref name="c2"/>; word 3 is the same in all lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Start(
        out Vector512<ulong> c0, out Vector512<ulong> c1, ref Vector512<ulong> c2, Vector512<ulong> shared2, Vector512<ulong> shared0, Vector512<ulong> next2)
    {
        Vector512<ulong> product0 = c2;
        c1 = Avx512F.Multiply(((product0 >> 32) ^ shared2).AsUInt32(), Vector512.Create(PhiloxBlock.Multiplier1));
        c0 = (c1 >> 32) ^ shared0;
        c2 = product0 ^ next2;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Round(
        ref Vector512<ulong> c0, ref Vector512<ulong> c1, ref Vector512<ulong> c2, ref Vector512<ulong> c3, Vector512<ulong> key0, Vector512<ulong> key1)
    {
        Vector512<ulong> product0 = Avx512F.Multiply(c0.AsUInt32(), Vector512.Create(PhiloxBlock.Multiplier0));
        Vector512<ulong> product1 = Avx512F.Multiply(c2.AsUInt32(), Vector512.Create(PhiloxBlock.Multiplier1));
        c0 = ExclusiveOr(Upper(product1), c1, key0);
        c2 = ExclusiveOr(Upper(product0), c3, key1);
        c1 = product1;
        c3 = product0;
    }

    // A shuffle, since shifts have half of the ports.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> Upper(Vector512<ulong> product) => Avx512F.DuplicateOddIndexed(product.AsSingle()).AsUInt64();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<ulong> ExclusiveOr(Vector512<ulong> x, Vector512<ulong> y, Vector512<ulong> z) =>
        Avx512F.TernaryLogic(x, y, z, 0b10010110);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<ulong> c0, Vector512<ulong> c1, Vector512<ulong> c2, Vector512<ulong> c3, uint* words)
    {
        Vector512<float> words01 = Avx512F.Shuffle(c0.AsSingle(), c1.AsSingle(), 0b10_00_10_00);
        Vector512<float> words23 = Avx512F.Shuffle(c2.AsSingle(), c3.AsSingle(), 0b10_00_10_00);
        Avx512F.Shuffle(words01, words23, 0b10_00_10_00).AsUInt32().Store(words);
        Avx512F.Shuffle(words01, words23, 0b11_01_11_01).AsUInt32().Store(words + 16);
    }
}
