using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>What the positions of a <see cref="LineTile{TSimd, TVector}"/> meet: taps down and across, each in the planes of all channels.</summary>
/// <param name="Down">Taps down.</param>
/// <param name="DownStep">Elements from one to the next.</param>
/// <param name="Across">Taps across.</param>
/// <param name="AcrossStep">Elements from one to the next.</param>
/// <param name="Channels">Planes.</param>
/// <param name="ChannelStep">Elements from one to the next.</param>
internal readonly record struct LineTaps(int Down, long DownStep, int Across, long AcrossStep, int Channels, long ChannelStep);

/// <summary>A register tile of vectors along a line of positions, for up to three columns: eight vectors where there are 32 registers,
/// three where there are 16.</summary>
internal static unsafe class LineTile<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static int MostColumns => 3;

    /// <summary>Positions of a tile; all are computed and written.</summary>
    public static int Positions => (TSimd.Count == Simd512.Count ? 8 : 3) * TSimd.Count;

    /// <summary><c>c(j, x) ← Σ pixels(x + tap)·weights(tap, j)</c>.</summary>
    /// <param name="columns">1 to <see cref="MostColumns"/>.</param>
    /// <param name="pixels">What the first position meets at the first tap in the first plane.</param>
    /// <param name="weights">A row of <paramref name="stride"/> elements for each channel of each tap.</param>
    /// <param name="c">A row for each column, <paramref name="ldc"/> apart.</param>
    public static void Multiply(int columns, in LineTaps taps, float* pixels, float* weights, long stride, float* c, long ldc)
    {
        switch (columns)
        {
            case 1:
                Multiply<OneVector>(taps, pixels, weights, stride, c, ldc);
                break;
            case 2:
                Multiply<TwoVectors>(taps, pixels, weights, stride, c, ldc);
                break;
            default:
                Multiply<ThreeVectors>(taps, pixels, weights, stride, c, ldc);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Multiply<TColumns>(in LineTaps taps, float* pixels, float* weights, long stride, float* c, long ldc)
        where TColumns : struct, ITileVectors
    {
        TVector c00 = TSimd.Zero, c01 = TSimd.Zero, c02 = TSimd.Zero;
        TVector c10 = TSimd.Zero, c11 = TSimd.Zero, c12 = TSimd.Zero;
        TVector c20 = TSimd.Zero, c21 = TSimd.Zero, c22 = TSimd.Zero;
        TVector c30 = TSimd.Zero, c31 = TSimd.Zero, c32 = TSimd.Zero;
        TVector c40 = TSimd.Zero, c41 = TSimd.Zero, c42 = TSimd.Zero;
        TVector c50 = TSimd.Zero, c51 = TSimd.Zero, c52 = TSimd.Zero;
        TVector c60 = TSimd.Zero, c61 = TSimd.Zero, c62 = TSimd.Zero;
        TVector c70 = TSimd.Zero, c71 = TSimd.Zero, c72 = TSimd.Zero;
        for (int tap = 0; tap < taps.Down * taps.Across; tap++)
        {
            float* x = pixels + (tap / taps.Across * taps.DownStep) + (tap % taps.Across * taps.AcrossStep);
            for (int channel = taps.Channels; channel > 0; channel--)
            {
                TVector w0 = TSimd.Create(weights[0]);
                TVector w1 = TColumns.Count > 1 ? TSimd.Create(weights[1]) : w0;
                TVector w2 = TColumns.Count > 2 ? TSimd.Create(weights[2]) : w0;
                MultiplyAdd<TColumns>(TSimd.Load(x), w0, w1, w2, ref c00, ref c01, ref c02);
                MultiplyAdd<TColumns>(TSimd.Load(x + TSimd.Count), w0, w1, w2, ref c10, ref c11, ref c12);
                MultiplyAdd<TColumns>(TSimd.Load(x + (2 * TSimd.Count)), w0, w1, w2, ref c20, ref c21, ref c22);
                if (TSimd.Count == Simd512.Count)
                {
                    MultiplyAdd<TColumns>(TSimd.Load(x + (3 * TSimd.Count)), w0, w1, w2, ref c30, ref c31, ref c32);
                    MultiplyAdd<TColumns>(TSimd.Load(x + (4 * TSimd.Count)), w0, w1, w2, ref c40, ref c41, ref c42);
                    MultiplyAdd<TColumns>(TSimd.Load(x + (5 * TSimd.Count)), w0, w1, w2, ref c50, ref c51, ref c52);
                    MultiplyAdd<TColumns>(TSimd.Load(x + (6 * TSimd.Count)), w0, w1, w2, ref c60, ref c61, ref c62);
                    MultiplyAdd<TColumns>(TSimd.Load(x + (7 * TSimd.Count)), w0, w1, w2, ref c70, ref c71, ref c72);
                }

                weights += stride;
                x += taps.ChannelStep;
            }
        }

        Write<TColumns>(c, ldc, c00, c01, c02);
        Write<TColumns>(c + TSimd.Count, ldc, c10, c11, c12);
        Write<TColumns>(c + (2 * TSimd.Count), ldc, c20, c21, c22);
        if (TSimd.Count == Simd512.Count)
        {
            Write<TColumns>(c + (3 * TSimd.Count), ldc, c30, c31, c32);
            Write<TColumns>(c + (4 * TSimd.Count), ldc, c40, c41, c42);
            Write<TColumns>(c + (5 * TSimd.Count), ldc, c50, c51, c52);
            Write<TColumns>(c + (6 * TSimd.Count), ldc, c60, c61, c62);
            Write<TColumns>(c + (7 * TSimd.Count), ldc, c70, c71, c72);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void MultiplyAdd<TColumns>(TVector x, TVector w0, TVector w1, TVector w2, ref TVector c0, ref TVector c1, ref TVector c2)
        where TColumns : struct, ITileVectors
    {
        c0 = TSimd.MultiplyAdd(x, w0, c0);
        if (TColumns.Count > 1)
        {
            c1 = TSimd.MultiplyAdd(x, w1, c1);
        }

        if (TColumns.Count > 2)
        {
            c2 = TSimd.MultiplyAdd(x, w2, c2);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write<TColumns>(float* c, long ldc, TVector c0, TVector c1, TVector c2)
        where TColumns : struct, ITileVectors
    {
        TSimd.Store(c0, c);
        if (TColumns.Count > 1)
        {
            TSimd.Store(c1, c + ldc);
        }

        if (TColumns.Count > 2)
        {
            TSimd.Store(c2, c + (2 * ldc));
        }
    }
}
