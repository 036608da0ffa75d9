using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>A register tile: the product of a few rows of A with a panel of B, accumulated in registers over k.</summary>
/// <remarks>
/// Three vectors of B meet one broadcast element of A at a time, so that a step of k costs few loads for its multiply-adds
/// and the accumulators are enough to hide their latency: 8×3 with 32 registers (AVX-512: 24 accumulators, 11 loads for 24
/// multiply-adds), 4×3 with 16 registers (12 accumulators, 7 loads for 12).
/// </remarks>
internal unsafe interface IGemmTile
{
    /// <summary>Rows of A and C.</summary>
    static abstract int Rows { get; }

    /// <summary>Columns of B and C, a multiple of <see cref="Rows"/>: the width of every packed panel.</summary>
    static abstract int Columns { get; }

    /// <inheritdoc cref="GemmPanel{TSimd, TVector}.Pack"/>
    static abstract void Pack(float* panel, int k, int columns, StridedMatrix source);

    /// <summary><c>C ← α·AB + β·C</c>; C is not read where β is 0.</summary>
    /// <param name="k">Inner dimension.</param>
    /// <param name="a">Element (i, p) of A is <c>a[p·strideA + i]</c>.</param>
    /// <param name="strideA">Elements between steps of k.</param>
    /// <param name="b">Element (p, j) of B is <c>b[p·Columns + j]</c>.</param>
    /// <param name="c">Element (i, j) of C is <c>c[i·ldc + j]</c>.</param>
    static abstract void Multiply(int k, float* a, int strideA, float* b, float alpha, float beta, float* c, long ldc);

    /// <summary>As <see cref="Multiply"/> for the first <paramref name="vectors"/> thirds of the columns only, with the same bits.</summary>
    static abstract void MultiplyNarrow(
        int vectors, int k, float* a, int strideA, float* b, float alpha, float beta, float* c, long ldc);
}

/// <summary>8 rows of 48 columns in AVX-512.</summary>
internal readonly unsafe struct GemmTile512 : IGemmTile
{
    public static int Rows => 8;

    public static int Columns => 3 * Simd512.Count;

    public static void Pack(float* panel, int k, int columns, StridedMatrix source) =>
        GemmPanel<Simd512, Vector512<float>>.Pack(panel, k, columns, source);

    public static void Multiply(int k, float* a, int strideA, float* b, float alpha, float beta, float* c, long ldc) =>
        Multiply<ThreeVectors>(k, a, strideA, b, alpha, beta, c, ldc);

    public static void MultiplyNarrow(
        int vectors, int k, float* a, int strideA, float* b, float alpha, float beta, float* c, long ldc)
    {
        switch (vectors)
        {
            case 1:
                Multiply<OneVector>(k, a, strideA, b, alpha, beta, c, ldc);
                break;
            case 2:
                Multiply<TwoVectors>(k, a, strideA, b, alpha, beta, c, ldc);
                break;
            default:
                Multiply<ThreeVectors>(k, a, strideA, b, alpha, beta, c, ldc);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TVectors>(
        int k, float* a, int strideA, float* b, float alpha, float beta, float* c, long ldc)
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
        for (int step = 0; step < k; step++)
        {
            Vector512<float> b0 = Simd512.Load(b);
            Vector512<float> b1 = TVectors.Count > 1 ? Simd512.Load(b + Simd512.Count) : Simd512.Zero;
            Vector512<float> b2 = TVectors.Count > 2 ? Simd512.Load(b + (2 * Simd512.Count)) : Simd512.Zero;
            TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[0], b0, b1, b2, ref c00, ref c01, ref c02);
            TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[1], b0, b1, b2, ref c10, ref c11, ref c12);
            TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[2], b0, b1, b2, ref c20, ref c21, ref c22);
            TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[3], b0, b1, b2, ref c30, ref c31, ref c32);
            TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[4], b0, b1, b2, ref c40, ref c41, ref c42);
            TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[5], b0, b1, b2, ref c50, ref c51, ref c52);
            TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[6], b0, b1, b2, ref c60, ref c61, ref c62);
            TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[7], b0, b1, b2, ref c70, ref c71, ref c72);
            a += strideA;
            b += Columns;
        }

        TileRow<Simd512, Vector512<float>, TVectors>.Write(c, alpha, beta, c00, c01, c02);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + ldc, alpha, beta, c10, c11, c12);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + (2 * ldc), alpha, beta, c20, c21, c22);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + (3 * ldc), alpha, beta, c30, c31, c32);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + (4 * ldc), alpha, beta, c40, c41, c42);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + (5 * ldc), alpha, beta, c50, c51, c52);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + (6 * ldc), alpha, beta, c60, c61, c62);
        TileRow<Simd512, Vector512<float>, TVectors>.Write(c + (7 * ldc), alpha, beta, c70, c71, c72);
    }
}

/// <summary>4 rows of three vectors, for widths that have 16 registers.</summary>
internal readonly unsafe struct GemmTile4<TSimd, TVector> : IGemmTile
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static int Rows => 4;

    public static int Columns => 3 * TSimd.Count;

    public static void Pack(float* panel, int k, int columns, StridedMatrix source) =>
        GemmPanel<TSimd, TVector>.Pack(panel, k, columns, source);

    public static void Multiply(int k, float* a, int strideA, float* b, float alpha, float beta, float* c, long ldc) =>
        Multiply<ThreeVectors>(k, a, strideA, b, alpha, beta, c, ldc);

    public static void MultiplyNarrow(
        int vectors, int k, float* a, int strideA, float* b, float alpha, float beta, float* c, long ldc)
    {
        switch (vectors)
        {
            case 1:
                Multiply<OneVector>(k, a, strideA, b, alpha, beta, c, ldc);
                break;
            case 2:
                Multiply<TwoVectors>(k, a, strideA, b, alpha, beta, c, ldc);
                break;
            default:
                Multiply<ThreeVectors>(k, a, strideA, b, alpha, beta, c, ldc);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Multiply<TVectors>(
        int k, float* a, int strideA, float* b, float alpha, float beta, float* c, long ldc)
        where TVectors : struct, ITileVectors
    {
        TVector c00 = TSimd.Zero, c01 = TSimd.Zero, c02 = TSimd.Zero;
        TVector c10 = TSimd.Zero, c11 = TSimd.Zero, c12 = TSimd.Zero;
        TVector c20 = TSimd.Zero, c21 = TSimd.Zero, c22 = TSimd.Zero;
        TVector c30 = TSimd.Zero, c31 = TSimd.Zero, c32 = TSimd.Zero;
        for (int step = 0; step < k; step++)
        {
            TVector b0 = TSimd.Load(b);
            TVector b1 = TVectors.Count > 1 ? TSimd.Load(b + TSimd.Count) : TSimd.Zero;
            TVector b2 = TVectors.Count > 2 ? TSimd.Load(b + (2 * TSimd.Count)) : TSimd.Zero;
            TileRow<TSimd, TVector, TVectors>.MultiplyAdd(a[0], b0, b1, b2, ref c00, ref c01, ref c02);
            TileRow<TSimd, TVector, TVectors>.MultiplyAdd(a[1], b0, b1, b2, ref c10, ref c11, ref c12);
            TileRow<TSimd, TVector, TVectors>.MultiplyAdd(a[2], b0, b1, b2, ref c20, ref c21, ref c22);
            TileRow<TSimd, TVector, TVectors>.MultiplyAdd(a[3], b0, b1, b2, ref c30, ref c31, ref c32);
            a += strideA;
            b += Columns;
        }

        TileRow<TSimd, TVector, TVectors>.Write(c, alpha, beta, c00, c01, c02);
        TileRow<TSimd, TVector, TVectors>.Write(c + ldc, alpha, beta, c10, c11, c12);
        TileRow<TSimd, TVector, TVectors>.Write(c + (2 * ldc), alpha, beta, c20, c21, c22);
        TileRow<TSimd, TVector, TVectors>.Write(c + (3 * ldc), alpha, beta, c30, c31, c32);
    }
}

/// <summary>How many vectors wide a tile is, as a constant that the JIT compiles a tile for.</summary>
internal interface ITileVectors
{
    static abstract int Count { get; }
}

internal readonly struct OneVector : ITileVectors
{
    public static int Count => 1;
}

internal readonly struct TwoVectors : ITileVectors
{
    public static int Count => 2;
}

internal readonly struct ThreeVectors : ITileVectors
{
    public static int Count => 3;
}

/// <summary>A row of a register tile: up to three accumulators.</summary>
internal static unsafe class TileRow<TSimd, TVector, TVectors>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
    where TVectors : struct, ITileVectors
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void MultiplyAdd(float a, TVector b0, TVector b1, TVector b2, ref TVector c0, ref TVector c1, ref TVector c2)
    {
        TVector left = TSimd.Create(a);
        c0 = TSimd.MultiplyAdd(left, b0, c0);
        if (TVectors.Count > 1)
        {
            c1 = TSimd.MultiplyAdd(left, b1, c1);
        }

        if (TVectors.Count > 2)
        {
            c2 = TSimd.MultiplyAdd(left, b2, c2);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(float* c, float alpha, float beta, TVector c0, TVector c1, TVector c2)
    {
        Write(c, alpha, beta, c0);
        if (TVectors.Count > 1)
        {
            Write(c + TSimd.Count, alpha, beta, c1);
        }

        if (TVectors.Count > 2)
        {
            Write(c + (2 * TSimd.Count), alpha, beta, c2);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write(float* c, float alpha, float beta, TVector sum)
    {
        TVector product = TSimd.Multiply(TSimd.Create(alpha), sum);
        if (beta != 0)
        {
            product = TSimd.Add(product, TSimd.Multiply(TSimd.Create(beta), TSimd.Load(c)));
        }

        TSimd.Store(product, c);
    }
}
