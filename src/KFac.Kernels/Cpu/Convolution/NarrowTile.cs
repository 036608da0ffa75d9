using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>A register tile for images of few channels in AVX-512: one vector of output channels, eight or sixteen positions.</summary>
/// <remarks>Pixels are broadcast from where they lie, one for each multiply-add, which the processor loads as fast as it multiplies. A
/// <see cref="PixelTile{TSimd, TVector}"/> with one vector has at most eight rows and loads a vector for every eight.</remarks>
internal static unsafe class NarrowTile
{
    public static int MostPositions => 16;

    public static int LeastPositions => 8;

    /// <summary><c>C ← start + Σ aᵢ·b</c>: positions times weights.</summary>
    /// <param name="positions"><see cref="LeastPositions"/> or <see cref="MostPositions"/>; all are computed and written.</param>
    /// <param name="a">The first position's base; a position is <paramref name="strideA"/> elements from the next.</param>
    /// <param name="start">A vector.</param>
    public static void Multiply(
        int positions, in TileLines lines, float* a, long strideA, float* b, float* start, float* c, long ldc)
    {
        if (positions == LeastPositions)
        {
            Multiply<EightRows>(lines, a, strideA, b, start, c, ldc);
        }
        else
        {
            Multiply<SixteenRows>(lines, a, strideA, b, start, c, ldc);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Multiply<TRows>(in TileLines lines, float* a, long strideA, float* b, float* start, float* c, long ldc)
        where TRows : struct, ITileRows
    {
        Vector512<float> first = Simd512.Load(start);
        Vector512<float> c0 = first, c1 = first, c2 = first, c3 = first;
        Vector512<float> c4 = first, c5 = first, c6 = first, c7 = first;
        Vector512<float> c8 = first, c9 = first, c10 = first, c11 = first;
        Vector512<float> c12 = first, c13 = first, c14 = first, c15 = first;
        (long stepA, long stepB) = (lines.StepA, lines.StepB);
        for (int line = 0; line < lines.Count; line++)
        {
            float* pa = a + ((long*)lines.Offsets)[2 * line];
            float* pb = b + ((long*)lines.Offsets)[(2 * line) + 1];
            for (int step = lines.Run; step > 0; step--)
            {
                Vector512<float> weights = Simd512.Load(pb);
                c0 = Simd512.MultiplyAdd(Simd512.Create(pa[0]), weights, c0);
                c1 = Simd512.MultiplyAdd(Simd512.Create(pa[strideA]), weights, c1);
                c2 = Simd512.MultiplyAdd(Simd512.Create(pa[2 * strideA]), weights, c2);
                c3 = Simd512.MultiplyAdd(Simd512.Create(pa[3 * strideA]), weights, c3);
                c4 = Simd512.MultiplyAdd(Simd512.Create(pa[4 * strideA]), weights, c4);
                c5 = Simd512.MultiplyAdd(Simd512.Create(pa[5 * strideA]), weights, c5);
                c6 = Simd512.MultiplyAdd(Simd512.Create(pa[6 * strideA]), weights, c6);
                c7 = Simd512.MultiplyAdd(Simd512.Create(pa[7 * strideA]), weights, c7);
                if (TRows.Count > 8)
                {
                    float* upper = pa + (8 * strideA);
                    c8 = Simd512.MultiplyAdd(Simd512.Create(upper[0]), weights, c8);
                    c9 = Simd512.MultiplyAdd(Simd512.Create(upper[strideA]), weights, c9);
                    c10 = Simd512.MultiplyAdd(Simd512.Create(upper[2 * strideA]), weights, c10);
                    c11 = Simd512.MultiplyAdd(Simd512.Create(upper[3 * strideA]), weights, c11);
                    c12 = Simd512.MultiplyAdd(Simd512.Create(upper[4 * strideA]), weights, c12);
                    c13 = Simd512.MultiplyAdd(Simd512.Create(upper[5 * strideA]), weights, c13);
                    c14 = Simd512.MultiplyAdd(Simd512.Create(upper[6 * strideA]), weights, c14);
                    c15 = Simd512.MultiplyAdd(Simd512.Create(upper[7 * strideA]), weights, c15);
                }

                pa += stepA;
                pb += stepB;
            }
        }

        Simd512.Store(c0, c);
        Simd512.Store(c1, c + ldc);
        Simd512.Store(c2, c + (2 * ldc));
        Simd512.Store(c3, c + (3 * ldc));
        Simd512.Store(c4, c + (4 * ldc));
        Simd512.Store(c5, c + (5 * ldc));
        Simd512.Store(c6, c + (6 * ldc));
        Simd512.Store(c7, c + (7 * ldc));
        if (TRows.Count > 8)
        {
            Simd512.Store(c8, c + (8 * ldc));
            Simd512.Store(c9, c + (9 * ldc));
            Simd512.Store(c10, c + (10 * ldc));
            Simd512.Store(c11, c + (11 * ldc));
            Simd512.Store(c12, c + (12 * ldc));
            Simd512.Store(c13, c + (13 * ldc));
            Simd512.Store(c14, c + (14 * ldc));
            Simd512.Store(c15, c + (15 * ldc));
        }
    }
}
