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
        TVector logarithm = Ln(TSimd.Multiply(whole, TSimd.Create(Unit)));
        TVector radius = TSimd.SquareRoot(TSimd.Multiply(TSimd.Create(-2), logarithm));

        TVector turn = Upper(word1);
        TVector quarter = TSimd.ShiftBitsRight(TSimd.AddBits(turn, TSimd.CreateBits(1 << 21)), 22);
        TVector rest = TSimd.FromInteger(TSimd.SubtractBits(turn, TSimd.ShiftBitsLeft(quarter, 22)));
        (TVector sine, TVector cosine) = SineAndCosine(TSimd.Multiply(rest, TSimd.Create(BoxMuller.RadiansPerUnit)));

        TVector swap = TSimd.SubtractBits(TSimd.CreateBits(0), TSimd.And(quarter, TSimd.CreateBits(1)));
        TVector x = TSimd.Xor(TSimd.Select(swap, sine, cosine), SignOfBit1(TSimd.AddBits(quarter, TSimd.CreateBits(1))));
        TVector y = TSimd.Xor(TSimd.Select(swap, cosine, sine), SignOfBit1(quarter));
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

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Ln(TVector v)
    {
        TVector exponent = TSimd.ShiftBitsRight(TSimd.SubtractBits(v, TSimd.CreateBits(BoxMuller.RootHalfBits)), 23);
        TVector mantissa = TSimd.SubtractBits(v, TSimd.ShiftBitsLeft(exponent, 23));
        TVector f = TSimd.Subtract(mantissa, TSimd.Create(1));
        TVector z = TSimd.Multiply(f, f);
        TVector p = TSimd.Create(BoxMuller.Log[0]);
        for (int i = 1; i < BoxMuller.Log.Length; i++)
        {
            p = AddProduct(p, f, BoxMuller.Log[i]);
        }

        TVector e = TSimd.FromInteger(exponent);
        TVector y = TSimd.Add(
            TSimd.Multiply(TSimd.Multiply(p, f), z), TSimd.Multiply(TSimd.Create(BoxMuller.Ln2Low), e));
        y = TSimd.Subtract(y, TSimd.Multiply(TSimd.Create(0.5f), z));
        return TSimd.Add(TSimd.Add(f, y), TSimd.Multiply(TSimd.Create(BoxMuller.Ln2High), e));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector AddProduct(TVector left, TVector right, float addend) =>
        TSimd.Add(TSimd.Multiply(left, right), TSimd.Create(addend));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Upper(TVector words) => TSimd.And(TSimd.ShiftBitsRight(words, 8), TSimd.CreateBits(0xFFFFFF));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector SignOfBit1(TVector bits) => TSimd.ShiftBitsLeft(TSimd.And(bits, TSimd.CreateBits(2)), 30);
}
