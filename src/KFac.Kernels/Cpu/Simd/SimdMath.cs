using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Transcendental functions of vectors; what they keep to is proved by sweeps in the tests of <see cref="Activation"/>.</summary>
/// <remarks>
/// eˣ: x = n·ln 2 + r with n whole (Cody and Waite's two-part ln 2), e^r − 1 = r + r²·P(r) with the polynomial of Cephes'
/// <c>expf</c>, scaled by 2ⁿ. Normal tail: Q(u) = e^{−u²/2}·R(u), where (u + 4)·R(u) is a polynomial of degree 9 in
/// (u − 4)/(u + 4) (after Shepherd and Laframboise 1981), minimax in relative error on [0, 14.5], 1e-8.
/// Everything is inlined: a call costs a kernel all its registers.
/// log(1 + t) = 2·artanh(t/(2 + t)), odd polynomial of degree 9, minimax, 5e-9. NaN goes in and comes out.
/// </remarks>
internal static class SimdMath<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const float ReciprocalLn2 = 1.44269504f;
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -2.12194440e-4f;

    // e to these is 0 and infinity in float32.
    private const float LowestExponent = -104f;
    private const float HighestExponent = 89f;

    // Beyond, tanh is 1 and the normal tail 0 in float32.
    private const float TanhOne = 10f;
    private const float TailZero = 14.5f;

    private const int SignBit = unchecked((int)0x80000000);
    private const int UpperHalfOfMantissa = unchecked((int)0xFFFFF000);
    private const float ReciprocalRootTwoPi = 0.398942280f;

    /// <summary>eˣ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Exp(TVector x)
    {
        x = TSimd.AtMost(TSimd.AtLeast(x, TSimd.Create(LowestExponent)), TSimd.Create(HighestExponent));
        (TVector n, TVector powerMinusOne) = Reduce(x, TSimd.Zero);
        return TSimd.Scale(TSimd.Add(powerMinusOne, TSimd.Create(1)), n);
    }

    /// <summary>tanh x = E/(E + 2) with E = e^{2|x|} − 1, so that small arguments keep their relative accuracy.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Tanh(TVector x)
    {
        TVector magnitude = TSimd.AtMost(TSimd.Abs(x), TSimd.Create(TanhOne));
        (TVector n, TVector powerMinusOne) = Reduce(TSimd.Add(magnitude, magnitude), TSimd.Zero);
        TVector scale = TSimd.Scale(TSimd.Create(1), n);
        TVector e = TSimd.MultiplyAdd(scale, powerMinusOne, TSimd.Subtract(scale, TSimd.Create(1)));
        TVector value = TSimd.Divide(e, TSimd.Add(e, TSimd.Create(2)));
        return TSimd.Xor(value, TSimd.And(x, TSimd.CreateBits(SignBit)));
    }

    /// <summary>σ(x) = 1/(1 + e⁻ˣ), with e^{−|x|} in either tail.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Sigmoid(TVector x) => Sigmoid(x, ExpOfNegativeMagnitude(x));

    /// <summary>σ(x) where <paramref name="tail"/> is e^{−|x|}.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Sigmoid(TVector x, TVector tail)
    {
        TVector one = TSimd.Create(1);
        TVector numerator = TSimd.Select(TSimd.Less(x, TSimd.Zero), tail, one);
        return TSimd.Divide(numerator, TSimd.Add(one, tail));
    }

    /// <summary>e^{−|x|}.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ExpOfNegativeMagnitude(TVector x) => Exp(TSimd.Subtract(TSimd.Zero, TSimd.Abs(x)));

    /// <summary>log(1 + t) for t from 0 to 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector LogOnePlus(TVector t)
    {
        TVector s = TSimd.Divide(t, TSimd.Add(t, TSimd.Create(2)));
        TVector z = TSimd.Multiply(s, s);
        TVector p = TSimd.Create(0.14005992f);
        p = TSimd.MultiplyAdd(p, z, TSimd.Create(0.14000903f));
        p = TSimd.MultiplyAdd(p, z, TSimd.Create(0.20010764f));
        p = TSimd.MultiplyAdd(p, z, TSimd.Create(0.33333208f));
        TVector twice = TSimd.Add(s, s);
        return TSimd.MultiplyAdd(TSimd.Multiply(twice, z), p, twice);
    }

    /// <summary>x·Φ(x); 0 at −∞.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Gelu(TVector x)
    {
        TVector distribution = NormalDistribution(x, out _);
        return TSimd.Multiply(TSimd.AtLeast(x, TSimd.Create(-TailZero)), distribution);
    }

    /// <summary>d/dx x·Φ(x) = Φ(x) + x·φ(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector GeluDerivative(TVector x)
    {
        TVector distribution = NormalDistribution(x, out TVector bell);
        TVector limited = TSimd.AtMost(TSimd.AtLeast(x, TSimd.Create(-TailZero)), TSimd.Create(TailZero));
        TVector slope = TSimd.Multiply(limited, TSimd.Create(ReciprocalRootTwoPi));
        return TSimd.MultiplyAdd(slope, bell, distribution);
    }

    /// <summary>Φ(x), and e^{−x²/2} in <paramref name="bell"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector NormalDistribution(TVector x, out TVector bell)
    {
        TVector u = TSimd.AtMost(TSimd.Abs(x), TSimd.Create(TailZero));
        bell = Bell(u);
        TVector four = TSimd.Create(4);
        TVector reciprocal = TSimd.Divide(TSimd.Create(1), TSimd.Add(u, four));
        TVector q = TSimd.Multiply(TSimd.Subtract(u, four), reciprocal);
        TVector p = TSimd.Create(-0.00013197176f);
        p = TSimd.MultiplyAdd(p, q, TSimd.Create(0.00017935429f));
        p = TSimd.MultiplyAdd(p, q, TSimd.Create(0.0015699235f));
        p = TSimd.MultiplyAdd(p, q, TSimd.Create(-0.003512554f));
        p = TSimd.MultiplyAdd(p, q, TSimd.Create(-0.0075252713f));
        p = TSimd.MultiplyAdd(p, q, TSimd.Create(0.06040383f));
        p = TSimd.MultiplyAdd(p, q, TSimd.Create(-0.18652344f));
        p = TSimd.MultiplyAdd(p, q, TSimd.Create(0.3871369f));
        p = TSimd.MultiplyAdd(p, q, TSimd.Create(-0.6078966f));
        p = TSimd.MultiplyAdd(p, q, TSimd.Create(0.75528514f));
        TVector tail = TSimd.Multiply(bell, TSimd.Multiply(p, reciprocal));
        return TSimd.Select(TSimd.Less(x, TSimd.Zero), tail, TSimd.Subtract(TSimd.Create(1), tail));
    }

    /// <summary>e^{−u²/2}: u² in two parts, h² exactly and (u + h)(u − h), where h is the upper half of u's mantissa.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Bell(TVector u)
    {
        TVector minusHalf = TSimd.Create(-0.5f);
        TVector high = TSimd.And(u, TSimd.CreateBits(UpperHalfOfMantissa));
        TVector low = TSimd.Multiply(TSimd.Subtract(u, high), TSimd.Add(u, high));
        (TVector n, TVector powerMinusOne) = Reduce(
            TSimd.Multiply(minusHalf, TSimd.Multiply(high, high)), TSimd.Multiply(minusHalf, low));
        return TSimd.Scale(TSimd.Add(powerMinusOne, TSimd.Create(1)), n);
    }

    /// <summary>e^{x + correction} = 2ⁿ·(1 + p): returns n and p. The argument is from −110 to 89.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (TVector N, TVector PowerMinusOne) Reduce(TVector x, TVector correction)
    {
        TVector n = TSimd.Round(TSimd.Multiply(TSimd.Add(x, correction), TSimd.Create(ReciprocalLn2)));
        TVector r = TSimd.MultiplyAdd(n, TSimd.Create(-Ln2High), x);
        r = TSimd.Add(TSimd.MultiplyAdd(n, TSimd.Create(-Ln2Low), r), correction);
        TVector p = TSimd.Create(1.9875691500e-4f);
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(1.3981999507e-3f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(8.3334519073e-3f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(4.1665795894e-2f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(1.6666665459e-1f));
        p = TSimd.MultiplyAdd(p, r, TSimd.Create(5.0000001201e-1f));
        return (n, TSimd.MultiplyAdd(TSimd.Multiply(r, r), p, r));
    }
}
