namespace KFac.Testing;

/// <summary>Deterministic test inputs, independent of the code under test.</summary>
public static class TestData
{
    /// <summary>Sizes that stand at and next to the edges of register and cache tiles, and primes.</summary>
    public static IReadOnlyList<int> EdgeSizes { get; } = [0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 48, 49, 63, 64, 65, 97, 127, 129];

    /// <summary>Numbers in [−1, 1) from a 64-bit mixing generator (SplitMix64).</summary>
    public static float[] Uniform(int length, ulong seed)
    {
        var values = new float[length];
        for (int i = 0; i < length; i++)
        {
            values[i] = (float)((Mix(seed, (ulong)i) >> 40) / (double)(1 << 23)) - 1f;
        }

        return values;
    }

    /// <summary>Whole numbers from 0 to <paramref name="exclusiveMaximum"/> − 1.</summary>
    public static int[] Integers(int length, int exclusiveMaximum, ulong seed)
    {
        var values = new int[length];
        for (int i = 0; i < length; i++)
        {
            values[i] = (int)(Mix(seed, (ulong)i) % (ulong)exclusiveMaximum);
        }

        return values;
    }

    public static double[] ToDouble(ReadOnlySpan<float> values)
    {
        var result = new double[values.Length];
        for (int i = 0; i < values.Length; i++)
        {
            result[i] = values[i];
        }

        return result;
    }

    private static ulong Mix(ulong seed, ulong index)
    {
        ulong z = (seed * 0xD1342543DE82EF95UL) + ((index + 1) * 0x9E3779B97F4A7C15UL);
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9UL;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBUL;
        return z ^ (z >> 31);
    }
}
