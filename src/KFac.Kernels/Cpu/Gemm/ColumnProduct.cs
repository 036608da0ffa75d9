using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>A matrix times one column: inner products of rows, where a register tile would use one lane of a vector.</summary>
internal static unsafe class ColumnProduct<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int RowsAtOnce = 4;

    /// <summary><c>c ← α·A·b + β·c</c>; c is not read where β is 0. A row's bits do not depend on the others.</summary>
    /// <param name="a">Rows of <paramref name="k"/> adjacent elements, <paramref name="strideA"/> apart.</param>
    /// <param name="b">k adjacent elements.</param>
    public static void Multiply(int rows, int k, float* a, long strideA, float* b, in TileTarget target)
    {
        int row = 0;
        for (; row + RowsAtOnce <= rows; row += RowsAtOnce)
        {
            FourDots(k, a + (row * strideA), strideA, b, row, target);
        }

        for (; row < rows; row++)
        {
            OneDot(k, a + (row * strideA), b, row, target);
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void FourDots(int k, float* a, long strideA, float* b, int row, in TileTarget target)
    {
        TVector even0 = TSimd.Zero, even1 = TSimd.Zero, even2 = TSimd.Zero, even3 = TSimd.Zero;
        TVector odd0 = TSimd.Zero, odd1 = TSimd.Zero, odd2 = TSimd.Zero, odd3 = TSimd.Zero;
        int p = 0;
        for (; p + (2 * TSimd.Count) <= k; p += 2 * TSimd.Count)
        {
            float* at = a + p;
            TVector first = TSimd.Load(b + p);
            TVector second = TSimd.Load(b + p + TSimd.Count);
            even0 = TSimd.MultiplyAdd(TSimd.Load(at), first, even0);
            even1 = TSimd.MultiplyAdd(TSimd.Load(at + strideA), first, even1);
            even2 = TSimd.MultiplyAdd(TSimd.Load(at + (2 * strideA)), first, even2);
            even3 = TSimd.MultiplyAdd(TSimd.Load(at + (3 * strideA)), first, even3);
            at += TSimd.Count;
            odd0 = TSimd.MultiplyAdd(TSimd.Load(at), second, odd0);
            odd1 = TSimd.MultiplyAdd(TSimd.Load(at + strideA), second, odd1);
            odd2 = TSimd.MultiplyAdd(TSimd.Load(at + (2 * strideA)), second, odd2);
            odd3 = TSimd.MultiplyAdd(TSimd.Load(at + (3 * strideA)), second, odd3);
        }

        even0 = Finish(k, p, a, b, even0, odd0);
        even1 = Finish(k, p, a + strideA, b, even1, odd1);
        even2 = Finish(k, p, a + (2 * strideA), b, even2, odd2);
        even3 = Finish(k, p, a + (3 * strideA), b, even3, odd3);
        Vector128<float> sums = FourSums(even0, even1, even2, even3);
        for (int i = 0; i < RowsAtOnce; i++)
        {
            Write(sums[i], row + i, target);
        }
    }

    [SkipLocalsInit]
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void OneDot(int k, float* a, float* b, int row, in TileTarget target)
    {
        TVector even = TSimd.Zero, odd = TSimd.Zero;
        int p = 0;
        for (; p + (2 * TSimd.Count) <= k; p += 2 * TSimd.Count)
        {
            even = TSimd.MultiplyAdd(TSimd.Load(a + p), TSimd.Load(b + p), even);
            odd = TSimd.MultiplyAdd(TSimd.Load(a + p + TSimd.Count), TSimd.Load(b + p + TSimd.Count), odd);
        }

        Write(FourSums(Finish(k, p, a, b, even, odd), TSimd.Zero, TSimd.Zero, TSimd.Zero)[0], row, target);
    }

    /// <summary>Adds the products of a row's last elements, fewer than two vectors.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Finish(int k, int p, float* a, float* b, TVector even, TVector odd)
    {
        if (p + TSimd.Count <= k)
        {
            even = TSimd.MultiplyAdd(TSimd.Load(a + p), TSimd.Load(b + p), even);
            p += TSimd.Count;
        }

        if (p < k)
        {
            odd = TSimd.MultiplyAdd(TSimd.LoadPartial(a + p, k - p), TSimd.LoadPartial(b + p, k - p), odd);
        }

        return TSimd.Add(even, odd);
    }

    /// <summary>The sum of each vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<float> FourSums(TVector v0, TVector v1, TVector v2, TVector v3)
    {
        TSimd.TransposeQuads(ref v0, ref v1, ref v2, ref v3);
        TVector quads = TSimd.Add(TSimd.Add(v0, v1), TSimd.Add(v2, v3));
        float* parts = stackalloc float[TSimd.Count];
        TSimd.Store(quads, parts);
        Vector128<float> sums = Vector128.Load(parts);
        for (int i = Vector128<float>.Count; i < TSimd.Count; i += Vector128<float>.Count)
        {
            sums += Vector128.Load(parts + i);
        }

        return sums;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write(float sum, int row, in TileTarget target)
    {
        float* c = target.C + (row * target.Ldc);
        *c = target.Beta == 0 ? target.Alpha * sum : (target.Alpha * sum) + (target.Beta * *c);
    }
}
