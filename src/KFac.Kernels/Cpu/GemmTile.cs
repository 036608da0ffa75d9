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
}

/// <summary>8 rows of 48 columns in AVX-512.</summary>
internal readonly unsafe struct GemmTile512 : IGemmTile
{
    public static int Rows => 8;

    public static int Columns => 3 * Simd512.Count;

    public static void Pack(float* panel, int k, int columns, StridedMatrix source) =>
        GemmPanel<Simd512, Vector512<float>>.Pack(panel, k, columns, source);

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(int k, float* a, int strideA, float* b, float alpha, float beta, float* c, long ldc)
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
            Vector512<float> b1 = Simd512.Load(b + Simd512.Count);
            Vector512<float> b2 = Simd512.Load(b + (2 * Simd512.Count));

            Vector512<float> x = Simd512.Create(a[0]);
            c00 = Simd512.MultiplyAdd(x, b0, c00);
            c01 = Simd512.MultiplyAdd(x, b1, c01);
            c02 = Simd512.MultiplyAdd(x, b2, c02);

            x = Simd512.Create(a[1]);
            c10 = Simd512.MultiplyAdd(x, b0, c10);
            c11 = Simd512.MultiplyAdd(x, b1, c11);
            c12 = Simd512.MultiplyAdd(x, b2, c12);

            x = Simd512.Create(a[2]);
            c20 = Simd512.MultiplyAdd(x, b0, c20);
            c21 = Simd512.MultiplyAdd(x, b1, c21);
            c22 = Simd512.MultiplyAdd(x, b2, c22);

            x = Simd512.Create(a[3]);
            c30 = Simd512.MultiplyAdd(x, b0, c30);
            c31 = Simd512.MultiplyAdd(x, b1, c31);
            c32 = Simd512.MultiplyAdd(x, b2, c32);

            x = Simd512.Create(a[4]);
            c40 = Simd512.MultiplyAdd(x, b0, c40);
            c41 = Simd512.MultiplyAdd(x, b1, c41);
            c42 = Simd512.MultiplyAdd(x, b2, c42);

            x = Simd512.Create(a[5]);
            c50 = Simd512.MultiplyAdd(x, b0, c50);
            c51 = Simd512.MultiplyAdd(x, b1, c51);
            c52 = Simd512.MultiplyAdd(x, b2, c52);

            x = Simd512.Create(a[6]);
            c60 = Simd512.MultiplyAdd(x, b0, c60);
            c61 = Simd512.MultiplyAdd(x, b1, c61);
            c62 = Simd512.MultiplyAdd(x, b2, c62);

            x = Simd512.Create(a[7]);
            c70 = Simd512.MultiplyAdd(x, b0, c70);
            c71 = Simd512.MultiplyAdd(x, b1, c71);
            c72 = Simd512.MultiplyAdd(x, b2, c72);

            a += strideA;
            b += 3 * Simd512.Count;
        }

        Vector512<float> scale = Simd512.Create(alpha);
        TileRow<Simd512, Vector512<float>>.Write(c, scale, beta, c00, c01, c02);
        TileRow<Simd512, Vector512<float>>.Write(c + ldc, scale, beta, c10, c11, c12);
        TileRow<Simd512, Vector512<float>>.Write(c + (2 * ldc), scale, beta, c20, c21, c22);
        TileRow<Simd512, Vector512<float>>.Write(c + (3 * ldc), scale, beta, c30, c31, c32);
        TileRow<Simd512, Vector512<float>>.Write(c + (4 * ldc), scale, beta, c40, c41, c42);
        TileRow<Simd512, Vector512<float>>.Write(c + (5 * ldc), scale, beta, c50, c51, c52);
        TileRow<Simd512, Vector512<float>>.Write(c + (6 * ldc), scale, beta, c60, c61, c62);
        TileRow<Simd512, Vector512<float>>.Write(c + (7 * ldc), scale, beta, c70, c71, c72);
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

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Multiply(int k, float* a, int strideA, float* b, float alpha, float beta, float* c, long ldc)
    {
        TVector c00 = TSimd.Zero, c01 = TSimd.Zero, c02 = TSimd.Zero;
        TVector c10 = TSimd.Zero, c11 = TSimd.Zero, c12 = TSimd.Zero;
        TVector c20 = TSimd.Zero, c21 = TSimd.Zero, c22 = TSimd.Zero;
        TVector c30 = TSimd.Zero, c31 = TSimd.Zero, c32 = TSimd.Zero;
        for (int step = 0; step < k; step++)
        {
            TVector b0 = TSimd.Load(b);
            TVector b1 = TSimd.Load(b + TSimd.Count);
            TVector b2 = TSimd.Load(b + (2 * TSimd.Count));

            TVector x = TSimd.Create(a[0]);
            c00 = TSimd.MultiplyAdd(x, b0, c00);
            c01 = TSimd.MultiplyAdd(x, b1, c01);
            c02 = TSimd.MultiplyAdd(x, b2, c02);

            x = TSimd.Create(a[1]);
            c10 = TSimd.MultiplyAdd(x, b0, c10);
            c11 = TSimd.MultiplyAdd(x, b1, c11);
            c12 = TSimd.MultiplyAdd(x, b2, c12);

            x = TSimd.Create(a[2]);
            c20 = TSimd.MultiplyAdd(x, b0, c20);
            c21 = TSimd.MultiplyAdd(x, b1, c21);
            c22 = TSimd.MultiplyAdd(x, b2, c22);

            x = TSimd.Create(a[3]);
            c30 = TSimd.MultiplyAdd(x, b0, c30);
            c31 = TSimd.MultiplyAdd(x, b1, c31);
            c32 = TSimd.MultiplyAdd(x, b2, c32);

            a += strideA;
            b += 3 * TSimd.Count;
        }

        TVector scale = TSimd.Create(alpha);
        TileRow<TSimd, TVector>.Write(c, scale, beta, c00, c01, c02);
        TileRow<TSimd, TVector>.Write(c + ldc, scale, beta, c10, c11, c12);
        TileRow<TSimd, TVector>.Write(c + (2 * ldc), scale, beta, c20, c21, c22);
        TileRow<TSimd, TVector>.Write(c + (3 * ldc), scale, beta, c30, c31, c32);
    }
}

/// <summary>How a row of accumulators reaches memory.</summary>
internal static unsafe class TileRow<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(float* c, TVector alpha, float beta, TVector v0, TVector v1, TVector v2)
    {
        v0 = TSimd.Multiply(alpha, v0);
        v1 = TSimd.Multiply(alpha, v1);
        v2 = TSimd.Multiply(alpha, v2);
        if (beta != 0)
        {
            TVector old = TSimd.Create(beta);
            v0 = TSimd.Add(v0, TSimd.Multiply(old, TSimd.Load(c)));
            v1 = TSimd.Add(v1, TSimd.Multiply(old, TSimd.Load(c + TSimd.Count)));
            v2 = TSimd.Add(v2, TSimd.Multiply(old, TSimd.Load(c + (2 * TSimd.Count))));
        }

        TSimd.Store(v0, c);
        TSimd.Store(v1, c + TSimd.Count);
        TSimd.Store(v2, c + (2 * TSimd.Count));
    }
}
