using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Transcendental functions of vectors; what they keep to is proved by sweeps in the tests of <see cref="Activation"/>.</summary>
/// <remarks>
/// eˣ: x = n·ln 2 + r with n whole (Cody and Waite's two-part ln 2), e^r − 1 = r + r²·P(r) with the polynomial of Cephes'
/// <c>expf</c>, scaled by 2ⁿ. Normal tail: Q(u) = e^{−u²/2}·R(u), where (u + 4)·R(u) is a polynomial of degree 9 in
/// (u − 4)/(u + 4) (after Shepherd and Laframboise 1981), minimax in relative error on [0, 14.5], 1e-8.
/// Everything is inlined: a call costs a kernel all its registers. Polynomials are taken as sums of pairs in the argument's
/// square: as many operations as Horner's rule or one more, and half as many that wait for each other.
/// log(1 + t) = 2·artanh(t/(2 + t)), odd polynomial of degree 9, minimax, 5e-9. NaN goes in and comes out.
/// </remarks>
internal static class SimdMath<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const float ReciprocalLn2 = 1.44269504f;
    private const float Ln2High = 0.693359375f;
    private const float Ln2Low = -2.12194440e-4f;

    // e to this is 0 in float32.
    private const float LowestExponent = -104f;

    // Beyond, tanh is 1 and the normal tail 0 in float32.
    private const float TanhOne = 10f;
    private const float TailZero = 14.5f;

    private const int SignBit = unchecked((int)0x80000000);
    private const float ReciprocalRootTwoPi = 0.398942280f;

    /// <summary>eˣ of x below 80, or NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ExpOfNegative(TVector x)
    {
        (TVector n, TVector powerMinusOne) = Reduce(TSimd.AtLeast(x, TSimd.Create(LowestExponent)));
        return TSimd.Scale(TSimd.Add(powerMinusOne, TSimd.Create(1)), n);
    }

    /// <summary>tanh x = E/(E + 2) with E = e^{2|x|} − 1, so that small arguments keep their relative accuracy.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Tanh(TVector x)
    {
        TVector magnitude = TSimd.AtMost(TSimd.Abs(x), TSimd.Create(TanhOne));
        (TVector n, TVector powerMinusOne) = Reduce(TSimd.Add(magnitude, magnitude));
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
    public static TVector ExpOfNegativeMagnitude(TVector x) => ExpOfNegative(TSimd.Subtract(TSimd.Zero, TSimd.Abs(x)));

    /// <summary>log(1 + t) for t from 0 to 1.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector LogOnePlus(TVector t)
    {
        TVector s = TSimd.Divide(t, TSimd.Add(t, TSimd.Create(2)));
        TVector z = TSimd.Multiply(s, s);
        TVector p = TSimd.MultiplyAdd(TSimd.Create(0.14005992f), z, TSimd.Create(0.14000903f));
        p = TSimd.MultiplyAdd(p, TSimd.Multiply(z, z), TSimd.MultiplyAdd(TSimd.Create(0.20010764f), z, TSimd.Create(0.33333208f)));
        TVector twice = TSimd.Add(s, s);
        return TSimd.MultiplyAdd(TSimd.Multiply(twice, z), p, twice);
    }

    /// <summary>x·Φ(x) = max(x, 0) − |x|·Q(|x|); 0 at −∞.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Gelu(TVector x)
    {
        TVector u = TSimd.AtMost(TSimd.Abs(x), TSimd.Create(TailZero));
        return TSimd.MultiplyAdd(u, SignedNormalTail(-1, u, Bell(u)), TSimd.AtLeast(x, TSimd.Zero));
    }

    /// <summary>d/dx x·Φ(x) = Φ(x) + x·φ(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector GeluDerivative(TVector x)
    {
        TVector u = TSimd.AtMost(TSimd.Abs(x), TSimd.Create(TailZero));
        TVector bell = Bell(u);
        TVector tail = SignedNormalTail(1, u, bell);
        TVector distribution = TSimd.Select(TSimd.Less(x, TSimd.Zero), tail, TSimd.Subtract(TSimd.Create(1), tail));
        TVector limited = TSimd.AtMost(TSimd.AtLeast(x, TSimd.Create(-TailZero)), TSimd.Create(TailZero));
        TVector slope = TSimd.Multiply(limited, TSimd.Create(ReciprocalRootTwoPi));
        return TSimd.MultiplyAdd(slope, bell, distribution);
    }

    /// <summary>±Q(u), Q(u) = 1 − Φ(u), for u from 0 to <see cref="TailZero"/>, where <paramref name="bell"/> is e^{−u²/2}.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector SignedNormalTail(float sign, TVector u, TVector bell)
    {
        TVector four = TSimd.Create(4);
        TVector reciprocal = TSimd.Divide(TSimd.Create(sign), TSimd.Add(u, four));
        TVector q = TSimd.Multiply(sign > 0 ? TSimd.Subtract(u, four) : TSimd.Subtract(four, u), reciprocal);
        TVector z = TSimd.Multiply(q, q);
        TVector p = TSimd.MultiplyAdd(TSimd.Create(-0.00013197176f), q, TSimd.Create(0.00017935429f));
        p = TSimd.MultiplyAdd(p, z, TSimd.MultiplyAdd(TSimd.Create(0.0015699235f), q, TSimd.Create(-0.003512554f)));
        p = TSimd.MultiplyAdd(p, z, TSimd.MultiplyAdd(TSimd.Create(-0.0075252713f), q, TSimd.Create(0.06040383f)));
        p = TSimd.MultiplyAdd(p, z, TSimd.MultiplyAdd(TSimd.Create(-0.18652344f), q, TSimd.Create(0.3871369f)));
        p = TSimd.MultiplyAdd(p, z, TSimd.MultiplyAdd(TSimd.Create(-0.60789657f), q, TSimd.Create(0.75528514f)));
        return TSimd.Multiply(bell, TSimd.Multiply(p, reciprocal));
    }

    /// <summary>e^{−u²/2}, from u² in two parts. What is reduced is u² itself, as 2n·ln 2 + r: neither halved nor negated.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Bell(TVector u)
    {
        (TVector high, TVector low) = TSimd.Square(u);
        TVector n = TSimd.Round(TSimd.Multiply(high, TSimd.Create(-0.5f * ReciprocalLn2)));
        TVector r = TSimd.Add(TSimd.MultiplyAdd(n, TSimd.Create(2 * Ln2High), high), low);
        r = TSimd.MultiplyAdd(n, TSimd.Create(2 * Ln2Low), r);
        return TSimd.Scale(TSimd.Add(PowerMinusOne(r, -0.5f), TSimd.Create(1)), n);
    }

    /// <summary>eˣ = 2ⁿ·(1 + p): returns n and p. The argument is from −110 to 89.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static (TVector N, TVector PowerMinusOne) Reduce(TVector x)
    {
        TVector n = TSimd.Round(TSimd.Multiply(x, TSimd.Create(ReciprocalLn2)));
        TVector r = TSimd.MultiplyAdd(n, TSimd.Create(-Ln2High), x);
        r = TSimd.MultiplyAdd(n, TSimd.Create(-Ln2Low), r);
        return (n, PowerMinusOne(r, 1));
    }

    /// <summary>e^{r·unit} − 1 for ± a power of two as unit, which changes no more than signs and exponents of the coefficients.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector PowerMinusOne(TVector r, float unit)
    {
        float unit2 = unit * unit, unit3 = unit2 * unit, unit4 = unit2 * unit2;
        TVector z = TSimd.Multiply(r, r);
        TVector p = TSimd.MultiplyAdd(TSimd.Create(1.9875691500e-4f * unit4 * unit3), r, TSimd.Create(1.3981999507e-3f * unit4 * unit2));
        p = TSimd.MultiplyAdd(p, z, TSimd.MultiplyAdd(TSimd.Create(8.3334519073e-3f * unit4 * unit), r, TSimd.Create(4.1665795894e-2f * unit4)));
        p = TSimd.MultiplyAdd(p, z, TSimd.MultiplyAdd(TSimd.Create(1.6666665459e-1f * unit3), r, TSimd.Create(5.0000001201e-1f * unit2)));
        return TSimd.MultiplyAdd(z, p, unit == 1 ? r : TSimd.Multiply(TSimd.Create(unit), r));
    }
}
