namespace KFac.Reference;

/// <summary>Philox4×32-10 from its paper's equations, and Box-Muller in float64.</summary>
public static class PhiloxReference
{
    /// <summary>The four words of a counter.</summary>
    public static uint[] Block(uint[] counter, uint key0, uint key1)
    {
        uint[] c = counter;
        for (uint round = 0; round < 10; round++)
        {
            ulong left = 0xD2511F53UL * c[0];
            ulong right = 0xCD9E8D57UL * c[2];
            uint k0 = unchecked(key0 + (round * 0x9E3779B9));
            uint k1 = unchecked(key1 + (round * 0xBB67AE85));
            c = [(uint)(right >> 32) ^ c[1] ^ k0, (uint)right, (uint)(left >> 32) ^ c[3] ^ k1, (uint)left];
        }

        return c;
    }

    /// <summary>Word <paramref name="number"/> of a sequence.</summary>
    public static uint Word(ulong seed, ulong sequence, ulong number)
    {
        ulong block = number / 4;
        uint[] counter = [(uint)block, (uint)(block >> 32), (uint)sequence, (uint)(sequence >> 32)];
        return Block(counter, (uint)seed, (uint)(seed >> 32))[number % 4];
    }

    /// <summary><c>⌊word / 2⁸⌋ / 2²⁴</c>.</summary>
    public static double Uniform(uint word) => (word >> 8) / 16777216.0;

    /// <summary><c>√(−2 ln(1 − u₀))</c> times the cosine and the sine of <c>2πu₁</c>.</summary>
    public static (double Cosine, double Sine) Normal(uint word0, uint word1)
    {
        double radius = Math.Sqrt(-2 * Math.Log(1 - Uniform(word0)));
        double angle = 2 * Math.PI * Uniform(word1);
        return (radius * Math.Cos(angle), radius * Math.Sin(angle));
    }
}
