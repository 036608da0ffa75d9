using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Transcendental functions of vectors; what they keep to is proved by sweeps in the tests of <see cref="Activation"/>.</summary>
/// <remarks>
/// <para>All coefficients are minimax; quotients of polynomials where one division, 2.5 cycles of one of the two multiplying ports on Zen 5,
/// saves more multiplications. NaN goes in and comes out. Everything is inlined: a call costs a kernel all its registers.</para>
/// <list type="bullet">
/// <item>eˣ: x = n·ln 2 + r with n whole (Cody and Waite's two-part ln 2), e^r by degree 6, 3e-9, scaled by 2ⁿ. The polynomial is taken as a sum
/// of pairs in r²: as many operations as Horner's rule and one more, and half as many that wait for each other.</item>
/// <item>log(1 + t): t·P(t)/Q(t), 2 over 3, 2e-8.</item>
/// <item>e^{−u²/2}: the same with n in sixteenths, whose powers are looked up, so that degree 3 is enough, 1e-9.</item>
/// <item>Normal tail: Q(u) = e^{−u²/2}·R(u), R of degrees 4 over 5, 6e-9 relative on [0, 14.5]. Gelu's derivative at −u is
/// e^{−u²/2}·(R(u) − u/√(2π)), degrees 4 over 3, 2e-9 absolute.</item>
/// </list>
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

    // Beyond, tanh and sigmoid are 1 and the normal tail 0 in float32.
    private const float TanhOne = 10f;
    private const float SigmoidOne = 20f;
    private const float TailZero = 14.5f;

    private const int SignBit = unchecked((int)0x80000000);

    /// <summary>eˣ of x below 80, or NaN.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector ExpOfNegative(TVector x) => Exp(TSimd.AtLeast(x, TSimd.Create(LowestExponent)));

    /// <summary>tanh x = H/(H + 1) with H = (e^{2|x|} − 1)/2, so that small arguments keep their relative accuracy.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Tanh(TVector x)
    {
        TVector u = TSimd.AtMost(TSimd.Abs(x), TSimd.Create(TanhOne));
        TVector n = TSimd.Round(TSimd.Multiply(u, TSimd.Create(2 * ReciprocalLn2)));
        TVector r = TSimd.MultiplyAdd(n, TSimd.Create(-0.5f * Ln2High), u);
        r = TSimd.MultiplyAdd(n, TSimd.Create(-0.5f * Ln2Low), r);
        TVector scale = TSimd.Scale(TSimd.Create(1), n);
        TVector half = TSimd.MultiplyAdd(scale, TSimd.Create(0.5f), TSimd.Create(-0.5f));

        // (e^{2r} − 1)/2.
        TVector z = TSimd.Multiply(r, r);
        half = TSimd.MultiplyAdd(scale, TSimd.MultiplyAdd(PowerRest(r, z, 2, 0.5f), z, r), half);
        TVector value = TSimd.Divide(half, TSimd.Add(half, TSimd.Create(1)));
        return TSimd.Xor(value, TSimd.And(x, TSimd.CreateBits(SignBit)));
    }

    /// <summary>σ(x) = eˣ/(1 + eˣ).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Sigmoid(TVector x)
    {
        TVector e = ExpOfNegative(TSimd.AtMost(x, TSimd.Create(SigmoidOne)));
        return TSimd.Divide(e, TSimd.Add(e, TSimd.Create(1)));
    }

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
        TVector p = TSimd.MultiplyAdd(TSimd.Create(0.12376435f), t, TSimd.Create(0.86719367f));
        p = TSimd.MultiplyAdd(p, t, TSimd.Create(1));
        TVector q = TSimd.MultiplyAdd(TSimd.Create(0.031094559f), t, TSimd.Create(0.47405898f));
        q = TSimd.MultiplyAdd(q, t, TSimd.Create(1.3671917f));
        q = TSimd.MultiplyAdd(q, t, TSimd.Create(1));
        return TSimd.Divide(TSimd.Multiply(p, t), q);
    }

    /// <summary>x·Φ(x) = max(x, 0) − |x|·Q(|x|); 0 at −∞.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector Gelu(TVector x)
    {
        TVector u = TSimd.AtMost(TSimd.Abs(x), TSimd.Create(TailZero));
        TVector p = TSimd.MultiplyAdd(TSimd.Create(-0.3989469f), u, TSimd.Create(-3.9381106f));
        p = TSimd.MultiplyAdd(p, u, TSimd.Create(-17.758858f));
        p = TSimd.MultiplyAdd(p, u, TSimd.Create(-42.478822f));
        p = TSimd.MultiplyAdd(p, u, TSimd.Create(-48.45914f));
        TVector q = TSimd.Add(u, TSimd.Create(9.872004f));
        q = TSimd.MultiplyAdd(q, u, TSimd.Create(45.500347f));
        q = TSimd.MultiplyAdd(q, u, TSimd.Create(116.54463f));
        q = TSimd.MultiplyAdd(q, u, TSimd.Create(162.28728f));
        q = TSimd.MultiplyAdd(q, u, TSimd.Create(96.91828f));
        TVector lost = TSimd.Divide(TSimd.Multiply(p, Bell(u)), q);
        return TSimd.MultiplyAdd(u, lost, TSimd.AtLeast(x, TSimd.Zero));
    }

    /// <summary>d/dx x·Φ(x) = Φ(x) + x·φ(x).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TVector GeluDerivative(TVector x)
    {
        TVector u = TSimd.AtMost(TSimd.Abs(x), TSimd.Create(TailZero));
        TVector p = TSimd.MultiplyAdd(TSimd.Create(-0.027204791f), u, TSimd.Create(-0.18037416f));
        p = TSimd.MultiplyAdd(p, u, TSimd.Create(-0.4125003f));
        p = TSimd.MultiplyAdd(p, u, TSimd.Create(-0.24145854f));
        p = TSimd.MultiplyAdd(p, u, TSimd.Create(0.5f));
        TVector q = TSimd.MultiplyAdd(TSimd.Create(0.068266703f), u, TSimd.Create(0.45085016f));
        q = TSimd.MultiplyAdd(q, u, TSimd.Create(1.1128523f));
        q = TSimd.MultiplyAdd(q, u, TSimd.Create(1));
        TVector below = TSimd.Divide(TSimd.Multiply(p, Bell(u)), q);
        return TSimd.Select(TSimd.Less(x, TSimd.Zero), below, TSimd.Subtract(TSimd.Create(1), below));
    }

    /// <summary>e^{−u²/2} for u from 0 to <see cref="TailZero"/>: what is reduced is u², not rounded, as −2n·ln 2 + r with n in sixteenths.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Bell(TVector u)
    {
        // A sum with this many ends in whole sixteenths.
        TVector sixteenths = TSimd.Create(3 << 18);
        TVector shifted = TSimd.MultiplyAdd(TSimd.Multiply(u, u), TSimd.Create(-0.5f * ReciprocalLn2), sixteenths);
        TVector n = TSimd.Subtract(shifted, sixteenths);
        TVector r = TSimd.SquareAdd(u, TSimd.Multiply(n, TSimd.Create(2 * Ln2High)));
        r = TSimd.MultiplyAdd(n, TSimd.Create(2 * Ln2Low), r);
        TVector power = TSimd.PowerOfSixteenths(shifted);
        TVector p = TSimd.MultiplyAdd(TSimd.Create(-0.020832844f), r, TSimd.Create(0.1250049f));
        p = TSimd.Multiply(TSimd.MultiplyAdd(p, r, TSimd.Create(-0.5f)), r);
        return TSimd.Scale(TSimd.MultiplyAdd(p, power, power), n);
    }

    /// <summary>eˣ of x from −104 to 80.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Exp(TVector x)
    {
        TVector n = TSimd.Round(TSimd.Multiply(x, TSimd.Create(ReciprocalLn2)));
        TVector r = TSimd.MultiplyAdd(n, TSimd.Create(-Ln2High), x);
        r = TSimd.MultiplyAdd(n, TSimd.Create(-Ln2Low), r);
        TVector z = TSimd.Multiply(r, r);
        return TSimd.Scale(TSimd.MultiplyAdd(PowerRest(r, z, 1, 1), z, TSimd.Add(r, TSimd.Create(1))), n);
    }

    /// <summary><c>scale·(e^{r·unit} − 1 − r·unit)/z</c>, where z is r² and r·unit within ±½ ln 2. Powers of two as unit and scale change
    /// no more than the exponents of the coefficients.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector PowerRest(TVector r, TVector z, float unit, float scale)
    {
        float unit2 = unit * unit, c2 = unit2 * scale, c4 = unit2 * c2;
        TVector p = TSimd.MultiplyAdd(TSimd.Create(0.008368851f * unit * c4), r, TSimd.Create(0.0416684f * c4));
        p = TSimd.MultiplyAdd(TSimd.Create(0.001381432f * unit2 * c4), z, p);
        return TSimd.MultiplyAdd(p, z, TSimd.MultiplyAdd(TSimd.Create(0.1666652f * unit * c2), r, TSimd.Create(0.49999994f * c2)));
    }
}
