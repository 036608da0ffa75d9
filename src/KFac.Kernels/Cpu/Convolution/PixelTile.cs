using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Lines of pixels or elements that a <see cref="PixelTile{TSimd, TVector}"/> passes over.</summary>
/// <param name="Offsets">Two for each line: elements from A's and from B's base to its first.</param>
/// <param name="Count">Lines.</param>
/// <param name="Run">Steps along a line.</param>
/// <param name="StepA">Elements of A from a step to the next.</param>
/// <param name="StepB">Elements of B from a step to the next.</param>
internal readonly record struct TileLines(nint Offsets, int Count, int Run, long StepA, long StepB);

/// <summary>A register tile of a convolution: a few rows by up to three vectors of columns, summed over lines of pixels that are read where they lie.</summary>
/// <remarks>Eight rows where there are 32 registers, four where there are 16, or fewer: each number is compiled apart. Rows are pixels and steps channels where
/// patches meet weights; rows are channels and steps pixels where pixels meet pixels.</remarks>
internal static unsafe class PixelTile<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows of a tile at most.</summary>
    public static int MostRows => TSimd.Count == Simd512.Count ? 8 : 4;

    /// <summary><c>C ← Σ aᵢ(p)·b(p) + β·C</c>; C is not read where β is 0.</summary>
    /// <param name="rows">1 to <see cref="MostRows"/>.</param>
    /// <param name="vectors">1 to 3.</param>
    /// <param name="a">The first row's base; a row is <paramref name="strideA"/> elements from the next.</param>
    /// <param name="b">The columns' base, where columns are adjacent.</param>
    public static void Multiply(
        int rows, int vectors, in TileLines lines, float* a, long strideA, float* b, float beta, float* c, long ldc)
    {
        switch (rows)
        {
            case 1:
                Multiply<OneRow>(vectors, lines, a, strideA, b, beta, c, ldc);
                break;
            case 2:
                Multiply<TwoRows>(vectors, lines, a, strideA, b, beta, c, ldc);
                break;
            case 3:
                Multiply<ThreeRows>(vectors, lines, a, strideA, b, beta, c, ldc);
                break;
            case 4:
                Multiply<FourRows>(vectors, lines, a, strideA, b, beta, c, ldc);
                break;
            case 5:
                Multiply<FiveRows>(vectors, lines, a, strideA, b, beta, c, ldc);
                break;
            case 6:
                Multiply<SixRows>(vectors, lines, a, strideA, b, beta, c, ldc);
                break;
            case 7:
                Multiply<SevenRows>(vectors, lines, a, strideA, b, beta, c, ldc);
                break;
            default:
                Multiply<EightRows>(vectors, lines, a, strideA, b, beta, c, ldc);
                break;
        }
    }

    private static void Multiply<TRows>(
        int vectors, in TileLines lines, float* a, long strideA, float* b, float beta, float* c, long ldc)
        where TRows : struct, ITileRows
    {
        switch (vectors)
        {
            case 1:
                Multiply<TRows, OneVector>(lines, a, strideA, b, beta, c, ldc);
                break;
            case 2:
                Multiply<TRows, TwoVectors>(lines, a, strideA, b, beta, c, ldc);
                break;
            default:
                Multiply<TRows, ThreeVectors>(lines, a, strideA, b, beta, c, ldc);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Multiply<TRows, TVectors>(
        in TileLines lines, float* a, long strideA, float* b, float beta, float* c, long ldc)
        where TRows : struct, ITileRows
        where TVectors : struct, ITileVectors
    {
        TVector c00 = TSimd.Zero, c01 = TSimd.Zero, c02 = TSimd.Zero;
        TVector c10 = TSimd.Zero, c11 = TSimd.Zero, c12 = TSimd.Zero;
        TVector c20 = TSimd.Zero, c21 = TSimd.Zero, c22 = TSimd.Zero;
        TVector c30 = TSimd.Zero, c31 = TSimd.Zero, c32 = TSimd.Zero;
        TVector c40 = TSimd.Zero, c41 = TSimd.Zero, c42 = TSimd.Zero;
        TVector c50 = TSimd.Zero, c51 = TSimd.Zero, c52 = TSimd.Zero;
        TVector c60 = TSimd.Zero, c61 = TSimd.Zero, c62 = TSimd.Zero;
        TVector c70 = TSimd.Zero, c71 = TSimd.Zero, c72 = TSimd.Zero;
        for (int line = 0; line < lines.Count; line++)
        {
            float* pa = a + ((long*)lines.Offsets)[2 * line];
            float* pb = b + ((long*)lines.Offsets)[(2 * line) + 1];
            for (int step = lines.Run; step > 0; step--)
            {
                TVector b0 = TSimd.Load(pb);
                TVector b1 = TVectors.Count > 1 ? TSimd.Load(pb + TSimd.Count) : TSimd.Zero;
                TVector b2 = TVectors.Count > 2 ? TSimd.Load(pb + (2 * TSimd.Count)) : TSimd.Zero;
                TileRow<TSimd, TVector, TVectors>.MultiplyAdd(pa[0], b0, b1, b2, ref c00, ref c01, ref c02);
                if (TRows.Count > 1)
                {
                    TileRow<TSimd, TVector, TVectors>.MultiplyAdd(pa[strideA], b0, b1, b2, ref c10, ref c11, ref c12);
                }

                if (TRows.Count > 2)
                {
                    TileRow<TSimd, TVector, TVectors>.MultiplyAdd(pa[2 * strideA], b0, b1, b2, ref c20, ref c21, ref c22);
                }

                if (TRows.Count > 3)
                {
                    TileRow<TSimd, TVector, TVectors>.MultiplyAdd(pa[3 * strideA], b0, b1, b2, ref c30, ref c31, ref c32);
                }

                if (TRows.Count > 4)
                {
                    TileRow<TSimd, TVector, TVectors>.MultiplyAdd(pa[4 * strideA], b0, b1, b2, ref c40, ref c41, ref c42);
                }

                if (TRows.Count > 5)
                {
                    TileRow<TSimd, TVector, TVectors>.MultiplyAdd(pa[5 * strideA], b0, b1, b2, ref c50, ref c51, ref c52);
                }

                if (TRows.Count > 6)
                {
                    TileRow<TSimd, TVector, TVectors>.MultiplyAdd(pa[6 * strideA], b0, b1, b2, ref c60, ref c61, ref c62);
                }

                if (TRows.Count > 7)
                {
                    TileRow<TSimd, TVector, TVectors>.MultiplyAdd(pa[7 * strideA], b0, b1, b2, ref c70, ref c71, ref c72);
                }

                pa += lines.StepA;
                pb += lines.StepB;
            }
        }

        var target = new TileTarget(1, beta, c, ldc);
        TileRow<TSimd, TVector, TVectors>.Write(target, 0, c00, c01, c02);
        if (TRows.Count > 1)
        {
            TileRow<TSimd, TVector, TVectors>.Write(target, 1, c10, c11, c12);
        }

        if (TRows.Count > 2)
        {
            TileRow<TSimd, TVector, TVectors>.Write(target, 2, c20, c21, c22);
        }

        if (TRows.Count > 3)
        {
            TileRow<TSimd, TVector, TVectors>.Write(target, 3, c30, c31, c32);
        }

        if (TRows.Count > 4)
        {
            TileRow<TSimd, TVector, TVectors>.Write(target, 4, c40, c41, c42);
        }

        if (TRows.Count > 5)
        {
            TileRow<TSimd, TVector, TVectors>.Write(target, 5, c50, c51, c52);
        }

        if (TRows.Count > 6)
        {
            TileRow<TSimd, TVector, TVectors>.Write(target, 6, c60, c61, c62);
        }

        if (TRows.Count > 7)
        {
            TileRow<TSimd, TVector, TVectors>.Write(target, 7, c70, c71, c72);
        }
    }
}
