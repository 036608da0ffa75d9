using Xunit;

namespace KFac.Testing;

/// <summary>Comparisons against a float64 reference under a bound derived from sizes and rounding.</summary>
public static class ErrorBound
{
    /// <summary>Unit roundoff of float32, 2⁻²⁴.</summary>
    public const double Epsilon = 1.0 / (1 << 24);

    /// <summary>γ(n) = n·ε/(1 − n·ε): the bound on n accumulated roundings (Higham 2002, lemma 3.1).</summary>
    public static double Gamma(double n) => n * Epsilon / (1 - (n * Epsilon));

    /// <summary>Fails unless every element differs from the reference by at most its tolerance; NaN fails, and equal infinities pass.</summary>
    public static void AssertWithin(ReadOnlySpan<float> actual, ReadOnlySpan<double> expected, ReadOnlySpan<double> tolerance, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        Assert.Equal(expected.Length, tolerance.Length);
        int index = FirstBeyond(actual, expected, tolerance);
        if (index >= 0)
        {
            Assert.Fail(
                $"{what}: element {index} is {actual[index]:R}, reference {expected[index]:R}, tolerance {tolerance[index]:R}.");
        }
    }

    /// <summary>As <see cref="AssertWithin"/>, and then fails unless the same comparison would notice one wrong element.</summary>
    public static void AssertWithinAndSharp(
        ReadOnlySpan<float> actual, ReadOnlySpan<double> expected, ReadOnlySpan<double> tolerance, string what)
    {
        AssertWithin(actual, expected, tolerance, what);
        if (actual.IsEmpty)
        {
            return;
        }

        float[] planted = actual.ToArray();
        int victim = planted.Length / 2;
        planted[victim] = (float)(expected[victim] + (4 * tolerance[victim]) + (1e-6 * Math.Abs(expected[victim])) + float.Epsilon);
        Assert.True(FirstBeyond(planted, expected, tolerance) >= 0, $"{what}: a planted error went unnoticed.");
        planted[victim] = float.NaN;
        Assert.True(FirstBeyond(planted, expected, tolerance) >= 0, $"{what}: a planted NaN went unnoticed.");
    }

    private static int FirstBeyond(ReadOnlySpan<float> actual, ReadOnlySpan<double> expected, ReadOnlySpan<double> tolerance)
    {
        for (int i = 0; i < actual.Length; i++)
        {
            bool within = Math.Abs(actual[i] - expected[i]) <= tolerance[i] || actual[i] == expected[i];
            if (!within)
            {
                return i;
            }
        }

        return -1;
    }
}
