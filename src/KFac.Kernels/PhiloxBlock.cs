namespace KFac.Kernels;

/// <summary>The four words that Philox4×32-10 makes of one counter (Salmon et al. 2011, section 4.3).</summary>
internal readonly record struct PhiloxBlock(uint Word0, uint Word1, uint Word2, uint Word3)
{
    /// <summary>Odd multipliers of the round function.</summary>
    public const uint Multiplier0 = 0xD2511F53;

    /// <inheritdoc cref="Multiplier0"/>
    public const uint Multiplier1 = 0xCD9E8D57;

    /// <summary>What the key grows by from round to round: the golden ratio and √3 − 1.</summary>
    public const uint Weyl0 = 0x9E3779B9;

    /// <inheritdoc cref="Weyl0"/>
    public const uint Weyl1 = 0xBB67AE85;

    /// <summary>Rounds.</summary>
    public const int Rounds = 10;

    /// <summary>Block <paramref name="index"/> of a key's sequence.</summary>
    public static PhiloxBlock At(PhiloxKey key, ulong index) => Compute(
        new PhiloxBlock((uint)index, (uint)(index >> 32), (uint)key.Sequence, (uint)(key.Sequence >> 32)),
        (uint)key.Seed,
        (uint)(key.Seed >> 32));

    /// <summary>The bijection itself.</summary>
    public static PhiloxBlock Compute(PhiloxBlock counter, uint key0, uint key1)
    {
        (uint c0, uint c1, uint c2, uint c3) = counter;
        for (int round = 0; round < Rounds; round++)
        {
            ulong product0 = (ulong)Multiplier0 * c0;
            ulong product1 = (ulong)Multiplier1 * c2;
            (c0, c1, c2, c3) = (
                (uint)(product1 >> 32) ^ c1 ^ key0,
                (uint)product1,
                (uint)(product0 >> 32) ^ c3 ^ key1,
                (uint)product0);
            key0 = unchecked(key0 + Weyl0);
            key1 = unchecked(key1 + Weyl1);
        }

        return new PhiloxBlock(c0, c1, c2, c3);
    }

    /// <summary>A word as a number of [0, 1): its upper 24 bits times 2⁻²⁴, exact in float32.</summary>
    public static float Uniform(uint word) => (word >> 8) * (1f / (1 << 24));

    /// <summary>Word 0 to 3.</summary>
    public uint Word(int index) => index switch { 0 => Word0, 1 => Word1, 2 => Word2, _ => Word3 };
}
