namespace KFac.Kernels.Cpu;

/// <summary>Points of a discrete Fourier transform as the product of two coprime factors, each of which <see cref="SmallDft"/> has.</summary>
/// <remarks>Coprime factors need no twiddles (Good, 1958; Thomas, 1963): with point <c>x = (n₂·a + n₁·b) mod n</c> and frequency f, where
/// <c>f mod n₁ = c</c> and <c>f mod n₂ = d</c>, <c>exp(−2πi·f·x/n) = exp(−2πi·a·c/n₁)·exp(−2πi·b·d/n₂)</c>.</remarks>
internal readonly record struct TransformLength(int First, int Second)
{
    /// <summary>The largest number of points: 8·9.</summary>
    public const int Longest = 72;

    private static ReadOnlySpan<byte> Factors => [1, 2, 3, 4, 5, 8, 9];

    public int Points => First * Second;

    /// <summary>The fewest points that are at least so many; no points where these are more than <see cref="Longest"/>.</summary>
    public static TransformLength AtLeast(int points)
    {
        TransformLength best = default;
        foreach (byte second in Factors)
        {
            foreach (byte first in Factors)
            {
                var length = new TransformLength(first, second);
                bool isFewer = best.Points == 0 || length.Points < best.Points;
                if (first <= second && AreCoprime(first, second) && length.Points >= points && isFewer)
                {
                    best = length;
                }
            }
        }

        return best;
    }

    /// <summary>The point of a pair of indices of the factors.</summary>
    public int Point(int a, int b) => ((Second * a) + (First * b)) % Points;

    /// <summary>The frequency of a pair of frequencies of the factors.</summary>
    public int Frequency(int c, int d)
    {
        int frequency = d;
        while (frequency % First != c)
        {
            frequency += Second;
        }

        return frequency;
    }

    private static bool AreCoprime(int a, int b) => b == 0 ? a == 1 : AreCoprime(b, a % b);
}
