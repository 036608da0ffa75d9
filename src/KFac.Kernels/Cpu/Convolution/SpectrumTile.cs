using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>A register tile of a cross-spectrum: four channels by one or two vectors of channels, summed over images.</summary>
/// <remarks>
/// <c>S = Σ x·conj(y) = A + iB</c> takes three real products instead of four: <c>P₁ = Σ x.re·y.re</c>, <c>P₂ = Σ x.im·y.im</c>,
/// <c>P₃ = Σ (x.re + x.im)·(y.re − y.im)</c>, <c>A = P₁ + P₂</c>, <c>B = P₃ − P₁ + P₂</c>. Sums and differences of operands are
/// left to units that multiply-adds don't need. With two vectors of 16 elements the 24 sums leave just enough registers for the
/// operands.
/// </remarks>
internal static unsafe class SpectrumTile<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows of a tile.</summary>
    public const int Rows = 4;

    /// <summary>Vectors of a tile at the most.</summary>
    public static int MostVectors => TSimd.Count == Simd512.Count ? 2 : 1;

    /// <param name="images">Images, whose real parts are twice <paramref name="imaginary"/> apart.</param>
    /// <param name="x">The first row's channel of the first image.</param>
    /// <param name="y">The first column's channel of the first image.</param>
    /// <param name="imaginary">Elements from a real part to its imaginary part.</param>
    /// <param name="real">Receives A, rows <paramref name="stride"/> apart.</param>
    /// <param name="imag">Receives B.</param>
    public static void Multiply(int vectors, int images, float* x, float* y, long imaginary, float* real, float* imag, long stride)
    {
        if (vectors == 1)
        {
            Multiply<OneVector>(images, x, y, imaginary, real, imag, stride);
        }
        else
        {
            Multiply<TwoVectors>(images, x, y, imaginary, real, imag, stride);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Multiply<TVectors>(int images, float* x, float* y, long imaginary, float* real, float* imag, long stride)
        where TVectors : struct, ITileVectors
    {
        TVector p00 = TSimd.Zero, p01 = TSimd.Zero, q00 = TSimd.Zero, q01 = TSimd.Zero, r00 = TSimd.Zero, r01 = TSimd.Zero;
        TVector p10 = TSimd.Zero, p11 = TSimd.Zero, q10 = TSimd.Zero, q11 = TSimd.Zero, r10 = TSimd.Zero, r11 = TSimd.Zero;
        TVector p20 = TSimd.Zero, p21 = TSimd.Zero, q20 = TSimd.Zero, q21 = TSimd.Zero, r20 = TSimd.Zero, r21 = TSimd.Zero;
        TVector p30 = TSimd.Zero, p31 = TSimd.Zero, q30 = TSimd.Zero, q31 = TSimd.Zero, r30 = TSimd.Zero, r31 = TSimd.Zero;
        for (int image = images; image > 0; image--)
        {
            TVector re0 = TSimd.Load(y);
            TVector im0 = TSimd.Load(y + imaginary);
            TVector difference0 = TSimd.Subtract(re0, im0);
            TVector re1 = TVectors.Count > 1 ? TSimd.Load(y + TSimd.Count) : TSimd.Zero;
            TVector im1 = TVectors.Count > 1 ? TSimd.Load(y + imaginary + TSimd.Count) : TSimd.Zero;
            TVector difference1 = TVectors.Count > 1 ? TSimd.Subtract(re1, im1) : TSimd.Zero;
            float* xi = x + imaginary;
            Row<TVectors>(x + 0, xi + 0, re0, im0, difference0, re1, im1, difference1, ref p00, ref p01, ref q00, ref q01, ref r00, ref r01);
            Row<TVectors>(x + 1, xi + 1, re0, im0, difference0, re1, im1, difference1, ref p10, ref p11, ref q10, ref q11, ref r10, ref r11);
            Row<TVectors>(x + 2, xi + 2, re0, im0, difference0, re1, im1, difference1, ref p20, ref p21, ref q20, ref q21, ref r20, ref r21);
            Row<TVectors>(x + 3, xi + 3, re0, im0, difference0, re1, im1, difference1, ref p30, ref p31, ref q30, ref q31, ref r30, ref r31);
            x += 2 * imaginary;
            y += 2 * imaginary;
        }

        Write<TVectors>(p00, q00, r00, p01, q01, r01, real, imag);
        Write<TVectors>(p10, q10, r10, p11, q11, r11, real + stride, imag + stride);
        Write<TVectors>(p20, q20, r20, p21, q21, r21, real + (2 * stride), imag + (2 * stride));
        Write<TVectors>(p30, q30, r30, p31, q31, r31, real + (3 * stride), imag + (3 * stride));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Row<TVectors>(
        float* re,
        float* im,
        TVector re0,
        TVector im0,
        TVector difference0,
        TVector re1,
        TVector im1,
        TVector difference1,
        ref TVector p0,
        ref TVector p1,
        ref TVector q0,
        ref TVector q1,
        ref TVector r0,
        ref TVector r1)
        where TVectors : struct, ITileVectors
    {
        TVector xRe = TSimd.Create(*re);
        TVector xIm = TSimd.Create(*im);
        p0 = TSimd.MultiplyAdd(xRe, re0, p0);
        q0 = TSimd.MultiplyAdd(xIm, im0, q0);
        if (TVectors.Count > 1)
        {
            p1 = TSimd.MultiplyAdd(xRe, re1, p1);
            q1 = TSimd.MultiplyAdd(xIm, im1, q1);
        }

        TVector sum = TSimd.Add(xRe, xIm);
        r0 = TSimd.MultiplyAdd(sum, difference0, r0);
        if (TVectors.Count > 1)
        {
            r1 = TSimd.MultiplyAdd(sum, difference1, r1);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write<TVectors>(TVector p0, TVector q0, TVector r0, TVector p1, TVector q1, TVector r1, float* real, float* imag)
        where TVectors : struct, ITileVectors
    {
        TSimd.Store(TSimd.Add(p0, q0), real);
        TSimd.Store(TSimd.Add(TSimd.Subtract(r0, p0), q0), imag);
        if (TVectors.Count > 1)
        {
            TSimd.Store(TSimd.Add(p1, q1), real + TSimd.Count);
            TSimd.Store(TSimd.Add(TSimd.Subtract(r1, p1), q1), imag + TSimd.Count);
        }
    }
}
