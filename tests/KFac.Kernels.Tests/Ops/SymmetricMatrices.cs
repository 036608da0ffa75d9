using KFac.Testing;

namespace KFac.Kernels.Tests;

/// <summary>Symmetric test matrices, row-major. <see cref="LowerOnly"/> poisons what a kernel must not read.</summary>
internal static class SymmetricMatrices
{
    /// <summary><c>X·Xᵀ/n + I/4</c>: positive definite, condition number about 20.</summary>
    public static float[] PositiveDefinite(int n, ulong seed) => WithSpectrum(Spectrum(n, i => 0.25 + (4.75 * i / Math.Max(1, n - 1))), seed);

    /// <summary>Q·diag(spectrum)·Qᵀ with Q a product of three seeded reflections, rounded to float32.</summary>
    public static float[] WithSpectrum(double[] spectrum, ulong seed)
    {
        int n = spectrum.Length;
        var a = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            a[(i * n) + i] = spectrum[i];
        }

        for (ulong reflection = 0; reflection < 3; reflection++)
        {
            Reflect(a, n, TestData.ToDouble(TestData.Uniform(n, (seed * 3) + reflection)));
        }

        var result = new float[n * n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                result[(i * n) + j] = result[(j * n) + i] = (float)a[(i * n) + j];
            }
        }

        return result;
    }

    public static double[] Spectrum(int n, Func<int, double> value) => [.. Enumerable.Range(0, n).Select(value)];

    /// <summary>The same matrix with NaN above its diagonal.</summary>
    public static float[] LowerOnly(float[] matrix, int n)
    {
        float[] copy = [.. matrix];
        for (int i = 0; i < n; i++)
        {
            copy.AsSpan((i * n) + i + 1, n - i - 1).Fill(float.NaN);
        }

        return copy;
    }

    public static float[] Scaled(float[] matrix, float factor) => [.. matrix.Select(x => x * factor)];

    private static void Reflect(double[] a, int n, double[] v)
    {
        double square = v.Sum(x => x * x);
        if (square == 0)
        {
            return;
        }

        var w = new double[n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                w[i] += 2 / square * a[(i * n) + j] * v[j];
            }
        }

        double half = v.Zip(w, (x, y) => x * y).Sum() / square;
        for (int i = 0; i < n; i++)
        {
            w[i] -= half * v[i];
        }

        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                a[(i * n) + j] -= (v[i] * w[j]) + (w[i] * v[j]);
            }
        }
    }
}
