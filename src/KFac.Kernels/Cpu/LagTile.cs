using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>Lines of pixels that a <see cref="ILagTile"/> passes over: <see cref="Count"/> of them, each <see cref="Run"/> pixels.</summary>
/// <param name="Offsets">Elements from the base to each line's first pixel.</param>
/// <param name="Step">Elements from a pixel of a line to the next.</param>
internal readonly unsafe record struct PixelLines(nint Offsets, int Count, int Run, long Step)
{
    /// <summary>Elements from the base to the first pixel of a line.</summary>
    public long this[int line] => ((long*)Offsets)[line];
}

/// <summary>A register tile over pixels as they lie in memory: some channels of u by some channels of u + lag, summed over pixels u.</summary>
/// <remarks>The shape is that of <see cref="IGemmTile"/>, but nothing is packed: the channels of a pixel are adjacent, which is
/// all that a step needs, and a step costs the same whatever the distance to the next pixel.</remarks>
internal unsafe interface ILagTile
{
    /// <summary>Channels of u.</summary>
    static abstract int Rows { get; }

    /// <summary>Elements of a vector; a tile takes up to three vectors of channels of u + lag.</summary>
    static abstract int VectorLength { get; }

    /// <summary><c>C ← Σ a(u)·b(u)ᵀ + β·C</c>; C is not read where β is 0.</summary>
    /// <remarks>Channels that a pixel does not have may be asked for: memory behind them is read, and its sums mean nothing.</remarks>
    /// <param name="vectors">1 to 3.</param>
    /// <param name="a">The tile's channel of the base pixel.</param>
    /// <param name="b">The same of the pixel that is the lag away.</param>
    static abstract void Multiply(int vectors, PixelLines lines, float* a, float* b, float beta, float* c, long ldc);
}

/// <summary>8 channels by 48 in AVX-512.</summary>
internal readonly unsafe struct LagTile512 : ILagTile
{
    public static int Rows => 8;

    public static int VectorLength => Simd512.Count;

    public static void Multiply(int vectors, PixelLines lines, float* a, float* b, float beta, float* c, long ldc)
    {
        switch (vectors)
        {
            case 1:
                Multiply<OneVector>(lines, a, b, beta, c, ldc);
                break;
            case 2:
                Multiply<TwoVectors>(lines, a, b, beta, c, ldc);
                break;
            default:
                Multiply<ThreeVectors>(lines, a, b, beta, c, ldc);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TVectors>(PixelLines lines, float* a, float* b, float beta, float* c, long ldc)
        where TVectors : struct, ITileVectors
    {
        Vector512<float> c00 = Simd512.Zero, c01 = Simd512.Zero, c02 = Simd512.Zero;
        Vector512<float> c10 = Simd512.Zero, c11 = Simd512.Zero, c12 = Simd512.Zero;
        Vector512<float> c20 = Simd512.Zero, c21 = Simd512.Zero, c22 = Simd512.Zero;
        Vector512<float> c30 = Simd512.Zero, c31 = Simd512.Zero, c32 = Simd512.Zero;
        Vector512<float> c40 = Simd512.Zero, c41 = Simd512.Zero, c42 = Simd512.Zero;
        Vector512<float> c50 = Simd512.Zero, c51 = Simd512.Zero, c52 = Simd512.Zero;
        Vector512<float> c60 = Simd512.Zero, c61 = Simd512.Zero, c62 = Simd512.Zero;
        Vector512<float> c70 = Simd512.Zero, c71 = Simd512.Zero, c72 = Simd512.Zero;
        for (int line = 0; line < lines.Count; line++)
        {
            float* pa = a + lines[line];
            float* pb = b + lines[line];
            for (int step = lines.Run; step > 0; step--)
            {
                Vector512<float> b0 = Simd512.Load(pb);
                Vector512<float> b1 = TVectors.Count > 1 ? Simd512.Load(pb + Simd512.Count) : Simd512.Zero;
                Vector512<float> b2 = TVectors.Count > 2 ? Simd512.Load(pb + (2 * Simd512.Count)) : Simd512.Zero;
                TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(pa[0], b0, b1, b2, ref c00, ref c01, ref c02);
                TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(pa[1], b0, b1, b2, ref c10, ref c11, ref c12);
                TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(pa[2], b0, b1, b2, ref c20, ref c21, ref c22);
                TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(pa[3], b0, b1, b2, ref c30, ref c31, ref c32);
                TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(pa[4], b0, b1, b2, ref c40, ref c41, ref c42);
                TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(pa[5], b0, b1, b2, ref c50, ref c51, ref c52);
                TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(pa[6], b0, b1, b2, ref c60, ref c61, ref c62);
                TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(pa[7], b0, b1, b2, ref c70, ref c71, ref c72);
                pa += lines.Step;
                pb += lines.Step;
            }
        }

        TileRow<Simd512, Vector512<float>, TVectors>.Write(c, 1, beta, c00, c01, c02);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + ldc, 1, beta, c10, c11, c12);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + (2 * ldc), 1, beta, c20, c21, c22);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + (3 * ldc), 1, beta, c30, c31, c32);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + (4 * ldc), 1, beta, c40, c41, c42);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + (5 * ldc), 1, beta, c50, c51, c52);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + (6 * ldc), 1, beta, c60, c61, c62);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + (7 * ldc), 1, beta, c70, c71, c72);
    }
}

/// <summary>4 channels by three vectors, for widths that have 16 registers.</summary>
internal readonly unsafe struct LagTile4<TSimd, TVector> : ILagTile
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static int Rows => 4;

    public static int VectorLength => TSimd.Count;

    public static void Multiply(int vectors, PixelLines lines, float* a, float* b, float beta, float* c, long ldc)
    {
        switch (vectors)
        {
            case 1:
                Multiply<OneVector>(lines, a, b, beta, c, ldc);
                break;
            case 2:
                Multiply<TwoVectors>(lines, a, b, beta, c, ldc);
                break;
            default:
                Multiply<ThreeVectors>(lines, a, b, beta, c, ldc);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TVectors>(PixelLines lines, float* a, float* b, float beta, float* c, long ldc)
        where TVectors : struct, ITileVectors
    {
        TVector c00 = TSimd.Zero, c01 = TSimd.Zero, c02 = TSimd.Zero;
        TVector c10 = TSimd.Zero, c11 = TSimd.Zero, c12 = TSimd.Zero;
        TVector c20 = TSimd.Zero, c21 = TSimd.Zero, c22 = TSimd.Zero;
        TVector c30 = TSimd.Zero, c31 = TSimd.Zero, c32 = TSimd.Zero;
        for (int line = 0; line < lines.Count; line++)
        {
            float* pa = a + lines[line];
            float* pb = b + lines[line];
            for (int step = lines.Run; step > 0; step--)
            {
                TVector b0 = TSimd.Load(pb);
                TVector b1 = TVectors.Count > 1 ? TSimd.Load(pb + TSimd.Count) : TSimd.Zero;
                TVector b2 = TVectors.Count > 2 ? TSimd.Load(pb + (2 * TSimd.Count)) : TSimd.Zero;
                TileRow<TSimd, TVector, TVectors>.MultiplyAdd(pa[0], b0, b1, b2, ref c00, ref c01, ref c02);
                TileRow<TSimd, TVector, TVectors>.MultiplyAdd(pa[1], b0, b1, b2, ref c10, ref c11, ref c12);
                TileRow<TSimd, TVector, TVectors>.MultiplyAdd(pa[2], b0, b1, b2, ref c20, ref c21, ref c22);
                TileRow<TSimd, TVector, TVectors>.MultiplyAdd(pa[3], b0, b1, b2, ref c30, ref c31, ref c32);
                pa += lines.Step;
                pb += lines.Step;
            }
        }

        TileRow<TSimd, TVector, TVectors>.Write(c, 1, beta, c00, c01, c02);
        TileRow<TSimd, TVector, TVectors>.Write(c + ldc, 1, beta, c10, c11, c12);
        TileRow<TSimd, TVector, TVectors>.Write(c + (2 * ldc), 1, beta, c20, c21, c22);
        TileRow<TSimd, TVector, TVectors>.Write(c + (3 * ldc), 1, beta, c30, c31, c32);
    }
}
