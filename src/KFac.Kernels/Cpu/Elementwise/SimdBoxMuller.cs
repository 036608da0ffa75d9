using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="BoxMuller"/> on vectors: the same operations in the same order, none of them fused, so the same bits.</summary>
internal static unsafe class SimdBoxMuller<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const float Unit = 1f / (1 << 24);

    /// <summary>The numbers on [0, 1) that words make, as <see cref="PhiloxBlock.Uniform"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Uniform(TVector words) => TSimd.Multiply(TSimd.FromInteger(Upper(words)), TSimd.Create(Unit));

    /// <summary>Turns an even number of words into as many normal numbers.</summary>
    /// <param name="past">Whether y, which then starts at a vector's boundary, is stored past the caches.</param>
    public static void Apply(bool past, uint* words, float* y, int count)
    {
        float* x = (float*)words;
        int i = 0;
        for (; i + (2 * TSimd.Count) <= count; i += 2 * TSimd.Count)
        {
            (TVector even, TVector odd) = TSimd.Deinterleave(TSimd.Load(x + i), TSimd.Load(x + i + TSimd.Count));
            (even, odd) = Pair(even, odd);
            (TVector left, TVector right) = TSimd.Interleave(even, odd);
            if (past)
            {
                TSimd.StoreStreaming(left, y + i);
                TSimd.StoreStreaming(right, y + i + TSimd.Count);
            }
            else
            {
                TSimd.Store(left, y + i);
                TSimd.Store(right, y + i + TSimd.Count);
            }
        }

        for (; i < count; i += 2)
        {
            (y[i], y[i + 1]) = BoxMuller.Pair(words[i], words[i + 1]);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (TVector Cosine, TVector Sine) Pair(TVector word0, TVector word1)
    {
        TVector whole = TSimd.FromInteger(TSimd.SubtractBits(TSimd.CreateBits(1 << 24), Upper(word0)));
        TVector radius = TSimd.SquareRoot(TSimd.Multiply(TSimd.Create(-2), LnOfWords(whole)));

        // The upper 24 bits are a turn: with half a quarter added, the two uppermost are the nearest quarter, and those below, with
        // the first of them as their sign, what is left of the turn without it.
        TVector rest = TSimd.FromInteger(TSimd.ShiftBitsRight(TSimd.ShiftBitsLeft(word1, 2), 10));
        (TVector sine, TVector cosine) = SineAndCosine(TSimd.Multiply(rest, TSimd.Create(BoxMuller.RadiansPerUnit)));
        TVector quarter = TSimd.AddBits(word1, TSimd.CreateBits(0x20000000));
        TVector swap = TSimd.ShiftBitsRight(TSimd.ShiftBitsLeft(quarter, 1), 31);
        TVector sign = TSimd.CreateBits(int.MinValue);
        TVector signOfCosine = TSimd.And(TSimd.AddBits(word1, TSimd.CreateBits(0x60000000)), sign);
        TVector x = TSimd.Xor(TSimd.Select(swap, sine, cosine), signOfCosine);
        TVector y = TSimd.Xor(TSimd.Select(swap, cosine, sine), TSimd.And(quarter, sign));
        return (TSimd.Multiply(radius, x), TSimd.Multiply(radius, y));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (TVector Sine, TVector Cosine) SineAndCosine(TVector angle)
    {
        TVector z = TSimd.Multiply(angle, angle);
        TVector s = AddProduct(TSimd.Create(BoxMuller.Sin3), z, BoxMuller.Sin2);
        s = AddProduct(s, z, BoxMuller.Sin1);
        TVector sine = TSimd.Add(TSimd.Multiply(TSimd.Multiply(s, z), angle), angle);
        TVector c = AddProduct(TSimd.Create(BoxMuller.Cos3), z, BoxMuller.Cos2);
        c = AddProduct(c, z, BoxMuller.Cos1);
        TVector cosine = TSimd.Multiply(TSimd.Multiply(c, z), z);
        cosine = TSimd.Subtract(cosine, TSimd.Multiply(TSimd.Create(0.5f), z));
        return (sine, TSimd.Add(cosine, TSimd.Create(1)));
    }

    /// <summary>ln(whole·2⁻²⁴) of whole numbers from 1 to 2²⁴.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector LnOfWords(TVector whole)
    {
        TVector exponent = TSimd.ShiftBitsRight(TSimd.SubtractBits(whole, TSimd.CreateBits(BoxMuller.RootHalfBits)), 23);
        TVector mantissa = TSimd.SubtractBits(whole, TSimd.ShiftBitsLeft(exponent, 23));
        TVector f = TSimd.Subtract(mantissa, TSimd.Create(1));
        TVector z = TSimd.Multiply(f, f);
        TVector p = AddProduct(TSimd.Create(BoxMuller.Log[0]), f, BoxMuller.Log[1]);
        p = AddProduct(p, f, BoxMuller.Log[2]);
        p = AddProduct(p, f, BoxMuller.Log[3]);
        p = AddProduct(p, f, BoxMuller.Log[4]);
        p = AddProduct(p, f, BoxMuller.Log[5]);
        p = AddProduct(p, f, BoxMuller.Log[6]);
        p = AddProduct(p, f, BoxMuller.Log[7]);
        p = AddProduct(p, f, BoxMuller.Log[8]);
        TVector e = TSimd.FromInteger(TSimd.SubtractBits(exponent, TSimd.CreateBits(24)));
        TVector y = TSimd.Add(
            TSimd.Multiply(TSimd.Multiply(p, f), z), TSimd.Multiply(TSimd.Create(BoxMuller.Ln2Low), e));
        y = TSimd.Subtract(y, TSimd.Multiply(TSimd.Create(0.5f), z));
        return TSimd.Add(TSimd.Add(f, y), TSimd.Multiply(TSimd.Create(BoxMuller.Ln2High), e));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector AddProduct(TVector left, TVector right, float addend) =>
        TSimd.Add(TSimd.Multiply(left, right), TSimd.Create(addend));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Upper(TVector words) => TSimd.ShiftWordsRight(words, 8);
}
