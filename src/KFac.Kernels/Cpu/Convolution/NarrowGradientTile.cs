using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>A register tile of <see cref="NarrowGradient"/>: lines of the kernel, elements along them, and one vector of output channels.</summary>
/// <remarks>All of a 3×3 patch of three channels in 27 accumulators, so that output gradients are loaded once.</remarks>
internal static unsafe class NarrowGradientTile<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Lines of the kernel, at most: as many as fit the registers.</summary>
    public static int MostLines => TSimd.Count == Simd512.Count ? 3 : 1;

    /// <summary>Elements along a line, at most.</summary>
    public static int MostRows => 9;

    /// <summary>Adds the products of positions to <c>sums[line·sumLine + row·sumRow]</c>, vectors.</summary>
    /// <param name="lines">1 to <see cref="MostLines"/>.</param>
    /// <param name="rows">1 to <see cref="MostRows"/>.</param>
    public static void Add(int lines, int rows, in NarrowPositions positions, float* sums, long sumLine, long sumRow)
    {
        switch (lines)
        {
            case 1:
                Add<OneVector>(rows, positions, sums, sumLine, sumRow);
                break;
            case 2:
                Add<TwoVectors>(rows, positions, sums, sumLine, sumRow);
                break;
            default:
                Add<ThreeVectors>(rows, positions, sums, sumLine, sumRow);
                break;
        }
    }

    private static void Add<TLines>(int rows, in NarrowPositions positions, float* sums, long sumLine, long sumRow)
        where TLines : struct, ITileVectors
    {
        switch (rows)
        {
            case 1:
                Add<TLines, OneRow>(positions, sums, sumLine, sumRow);
                break;
            case 2:
                Add<TLines, TwoRows>(positions, sums, sumLine, sumRow);
                break;
            case 3:
                Add<TLines, ThreeRows>(positions, sums, sumLine, sumRow);
                break;
            case 4:
                Add<TLines, FourRows>(positions, sums, sumLine, sumRow);
                break;
            case 5:
                Add<TLines, FiveRows>(positions, sums, sumLine, sumRow);
                break;
            case 6:
                Add<TLines, SixRows>(positions, sums, sumLine, sumRow);
                break;
            case 7:
                Add<TLines, SevenRows>(positions, sums, sumLine, sumRow);
                break;
            case 8:
                Add<TLines, EightRows>(positions, sums, sumLine, sumRow);
                break;
            default:
                Add<TLines, NineRows>(positions, sums, sumLine, sumRow);
                break;
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Add<TLines, TRows>(in NarrowPositions positions, float* sums, long sumLine, long sumRow)
        where TLines : struct, ITileVectors
        where TRows : struct, ITileRows
    {
        TVector s00 = TSimd.Zero, s01 = TSimd.Zero, s02 = TSimd.Zero;
        TVector s03 = TSimd.Zero, s04 = TSimd.Zero, s05 = TSimd.Zero;
        TVector s06 = TSimd.Zero, s07 = TSimd.Zero, s08 = TSimd.Zero;
        TVector s10 = TSimd.Zero, s11 = TSimd.Zero, s12 = TSimd.Zero;
        TVector s13 = TSimd.Zero, s14 = TSimd.Zero, s15 = TSimd.Zero;
        TVector s16 = TSimd.Zero, s17 = TSimd.Zero, s18 = TSimd.Zero;
        TVector s20 = TSimd.Zero, s21 = TSimd.Zero, s22 = TSimd.Zero;
        TVector s23 = TSimd.Zero, s24 = TSimd.Zero, s25 = TSimd.Zero;
        TVector s26 = TSimd.Zero, s27 = TSimd.Zero, s28 = TSimd.Zero;
        (long pixelStep, long gradientStep) = (positions.PixelStep, positions.GradientStride);
        for (int line = 0; line < positions.Lines; line++)
        {
            float* p0 = (float*)positions.Pixels + (line * positions.PixelLine);
            float* p1 = p0 + positions.KernelLine;
            float* p2 = p1 + positions.KernelLine;
            float* gradients = (float*)positions.Gradients + (line * positions.Width * positions.GradientStride);
            for (int x = positions.Width; x > 0; x--)
            {
                TVector g = TSimd.Load(gradients);
                s00 = TSimd.MultiplyAdd(TSimd.Create(p0[0]), g, s00);
                if (TRows.Count > 1)
                {
                    s01 = TSimd.MultiplyAdd(TSimd.Create(p0[1]), g, s01);
                }

                if (TRows.Count > 2)
                {
                    s02 = TSimd.MultiplyAdd(TSimd.Create(p0[2]), g, s02);
                }

                if (TRows.Count > 3)
                {
                    s03 = TSimd.MultiplyAdd(TSimd.Create(p0[3]), g, s03);
                }

                if (TRows.Count > 4)
                {
                    s04 = TSimd.MultiplyAdd(TSimd.Create(p0[4]), g, s04);
                }

                if (TRows.Count > 5)
                {
                    s05 = TSimd.MultiplyAdd(TSimd.Create(p0[5]), g, s05);
                }

                if (TRows.Count > 6)
                {
                    s06 = TSimd.MultiplyAdd(TSimd.Create(p0[6]), g, s06);
                }

                if (TRows.Count > 7)
                {
                    s07 = TSimd.MultiplyAdd(TSimd.Create(p0[7]), g, s07);
                }

                if (TRows.Count > 8)
                {
                    s08 = TSimd.MultiplyAdd(TSimd.Create(p0[8]), g, s08);
                }

                if (TLines.Count > 1)
                {
                    s10 = TSimd.MultiplyAdd(TSimd.Create(p1[0]), g, s10);
                    if (TRows.Count > 1)
                    {
                        s11 = TSimd.MultiplyAdd(TSimd.Create(p1[1]), g, s11);
                    }

                    if (TRows.Count > 2)
                    {
                        s12 = TSimd.MultiplyAdd(TSimd.Create(p1[2]), g, s12);
                    }

                    if (TRows.Count > 3)
                    {
                        s13 = TSimd.MultiplyAdd(TSimd.Create(p1[3]), g, s13);
                    }

                    if (TRows.Count > 4)
                    {
                        s14 = TSimd.MultiplyAdd(TSimd.Create(p1[4]), g, s14);
                    }

                    if (TRows.Count > 5)
                    {
                        s15 = TSimd.MultiplyAdd(TSimd.Create(p1[5]), g, s15);
                    }

                    if (TRows.Count > 6)
                    {
                        s16 = TSimd.MultiplyAdd(TSimd.Create(p1[6]), g, s16);
                    }

                    if (TRows.Count > 7)
                    {
                        s17 = TSimd.MultiplyAdd(TSimd.Create(p1[7]), g, s17);
                    }

                    if (TRows.Count > 8)
                    {
                        s18 = TSimd.MultiplyAdd(TSimd.Create(p1[8]), g, s18);
                    }
                }

                if (TLines.Count > 2)
                {
                    s20 = TSimd.MultiplyAdd(TSimd.Create(p2[0]), g, s20);
                    if (TRows.Count > 1)
                    {
                        s21 = TSimd.MultiplyAdd(TSimd.Create(p2[1]), g, s21);
                    }

                    if (TRows.Count > 2)
                    {
                        s22 = TSimd.MultiplyAdd(TSimd.Create(p2[2]), g, s22);
                    }

                    if (TRows.Count > 3)
                    {
                        s23 = TSimd.MultiplyAdd(TSimd.Create(p2[3]), g, s23);
                    }

                    if (TRows.Count > 4)
                    {
                        s24 = TSimd.MultiplyAdd(TSimd.Create(p2[4]), g, s24);
                    }

                    if (TRows.Count > 5)
                    {
                        s25 = TSimd.MultiplyAdd(TSimd.Create(p2[5]), g, s25);
                    }

                    if (TRows.Count > 6)
                    {
                        s26 = TSimd.MultiplyAdd(TSimd.Create(p2[6]), g, s26);
                    }

                    if (TRows.Count > 7)
                    {
                        s27 = TSimd.MultiplyAdd(TSimd.Create(p2[7]), g, s27);
                    }

                    if (TRows.Count > 8)
                    {
                        s28 = TSimd.MultiplyAdd(TSimd.Create(p2[8]), g, s28);
                    }
                }

                p0 += pixelStep;
                p1 += pixelStep;
                p2 += pixelStep;
                gradients += gradientStep;
            }
        }

        TVector* values = stackalloc TVector[3 * 9]
        {
            s00, s01, s02, s03, s04, s05, s06, s07, s08,
            s10, s11, s12, s13, s14, s15, s16, s17, s18,
            s20, s21, s22, s23, s24, s25, s26, s27, s28,
        };
        for (int line = 0; line < TLines.Count; line++)
        {
            for (int row = 0; row < TRows.Count; row++)
            {
                float* sum = sums + (line * sumLine) + (row * sumRow);
                TSimd.Store(TSimd.Add(TSimd.Load(sum), values[(9 * line) + row]), sum);
            }
        }
    }
}

/// <summary>Lines of positions that a <see cref="NarrowGradientTile{TSimd, TVector}"/> passes over.</summary>
/// <param name="Pixels">The first element of the first position's patch that the tile takes.</param>
/// <param name="PixelLine">Elements from a line of positions to the next, in the pixels.</param>
/// <param name="PixelStep">Elements from a position to the next, in the pixels.</param>
/// <param name="KernelLine">Elements from a line of a patch to the next.</param>
/// <param name="Gradients">One vector of the output gradients of the first position.</param>
/// <param name="GradientStride">Elements from a position to the next, in the output gradients.</param>
/// <param name="Lines">Lines of positions.</param>
/// <param name="Width">Positions of a line.</param>
internal readonly record struct NarrowPositions(
    nint Pixels, long PixelLine, long PixelStep, long KernelLine, nint Gradients, long GradientStride, int Lines, int Width);
