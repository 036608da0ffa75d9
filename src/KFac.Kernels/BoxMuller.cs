namespace KFac.Kernels;

/// <summary>Two standard normal numbers from two random words, in operations that have the same bits everywhere.</summary>
/// <remarks>
/// <para>With <c>u₀ = (word₀ ≫ 8)·2⁻²⁴</c> and <c>u₁ = (word₁ ≫ 8)·2⁻²⁴</c>: <c>ρ = √(−2 ln(1 − u₀))</c>, and the pair is
/// <c>ρ cos 2πu₁</c>, <c>ρ sin 2πu₁</c> (Box and Muller 1958). The largest value is √(48 ln 2) ≈ 5.77.</para>
/// <para>Only float32 additions, subtractions, multiplications and square roots, each rounded to nearest, in the order
/// written: a device that follows it without fusing a multiplication and an addition gets the same bits.</para>
/// <list type="number">
/// <item>ln v, v = m·2ᵉ with m in [√½, √2), f = m − 1: the logarithm of Cephes' <c>logf</c>.</item>
/// <item>The angle is cut to the nearest quarter turn in whole numbers, exactly; the rest, at most π/4, goes through
/// Cephes' polynomials of <c>sinf</c> and <c>cosf</c>.</item>
/// </list>
/// </remarks>
internal static class BoxMuller
{
    // Smallest mantissa bits of m: those of √½ as a float.
    public const int RootHalfBits = 0x3F3504F3;
    public const float Ln2High = 0.693359375f;
    public const float Ln2Low = -2.12194440e-4f;
    public const float RadiansPerUnit = 3.7450703e-7f;
    public const float Sin1 = -1.6666654611e-1f;
    public const float Sin2 = 8.3321608736e-3f;
    public const float Sin3 = -1.9515295891e-4f;
    public const float Cos1 = 4.166664568298827e-2f;
    public const float Cos2 = -1.388731625493765e-3f;
    public const float Cos3 = 2.443315711809948e-5f;

    /// <summary>Coefficients of f³ and up in ln(1 + f), highest first.</summary>
    public static ReadOnlySpan<float> Log =>
    [
        7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
        -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f,
    ];

    /// <summary>The cosine and the sine number of a pair of words.</summary>
    public static (float Cosine, float Sine) Pair(uint word0, uint word1)
    {
        float v = ((1 << 24) - (int)(word0 >> 8)) * (1f / (1 << 24));
        float radius = MathF.Sqrt(-2f * Ln(v));
        int turn = (int)(word1 >> 8);
        int quarter = (turn + (1 << 21)) >> 22;
        float angle = (turn - (quarter << 22)) * RadiansPerUnit;
        float z = angle * angle;
        float sine = (((((Sin3 * z) + Sin2) * z) + Sin1) * z * angle) + angle;
        float cosine = (((((Cos3 * z) + Cos2) * z) + Cos1) * z * z) - (0.5f * z) + 1f;
        bool swap = (quarter & 1) != 0;
        float x = swap ? sine : cosine;
        float y = swap ? cosine : sine;
        x = ((quarter + 1) & 2) != 0 ? -x : x;
        y = (quarter & 2) != 0 ? -y : y;
        return (radius * x, radius * y);
    }

    private static float Ln(float v)
    {
        int bits = BitConverter.SingleToInt32Bits(v);
        int exponent = (bits - RootHalfBits) >> 23;
        float f = BitConverter.Int32BitsToSingle(bits - (exponent << 23)) - 1f;
        float z = f * f;
        float p = Log[0];
        for (int i = 1; i < Log.Length; i++)
        {
            p = (p * f) + Log[i];
        }

        float e = exponent;
        float y = (p * f * z) + (Ln2Low * e);
        y -= 0.5f * z;
        return f + y + (Ln2High * e);
    }
}
