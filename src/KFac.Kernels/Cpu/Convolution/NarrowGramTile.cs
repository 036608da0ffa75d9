using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>A register tile of inner products, four lines by six, or by three where there are 16 registers; its sums are vectors.</summary>
internal static unsafe class NarrowGramTile<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static int Rows => 4;

    public static int Columns => TSimd.Count == Simd512.Count ? 6 : 3;

    /// <summary><c>sums[i, j] += rows[i]·columns[j]</c>, vector by vector.</summary>
    /// <param name="positions">Whole vectors.</param>
    /// <param name="sums">[<see cref="Rows"/>, <see cref="Columns"/>], a vector each.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    public static void Add(float** rows, float** columns, int positions, float* sums)
    {
        // Not Columns: a static property of this generic class is a call here, which spills all sums.
        int step = (TSimd.Count == Simd512.Count ? 6 : 3) * TSimd.Count;
        TVector c00 = TSimd.Zero, c01 = TSimd.Zero, c02 = TSimd.Zero, c03 = TSimd.Zero, c04 = TSimd.Zero, c05 = TSimd.Zero;
        TVector c10 = TSimd.Zero, c11 = TSimd.Zero, c12 = TSimd.Zero, c13 = TSimd.Zero, c14 = TSimd.Zero, c15 = TSimd.Zero;
        TVector c20 = TSimd.Zero, c21 = TSimd.Zero, c22 = TSimd.Zero, c23 = TSimd.Zero, c24 = TSimd.Zero, c25 = TSimd.Zero;
        TVector c30 = TSimd.Zero, c31 = TSimd.Zero, c32 = TSimd.Zero, c33 = TSimd.Zero, c34 = TSimd.Zero, c35 = TSimd.Zero;
        float* a0 = rows[0], a1 = rows[1], a2 = rows[2], a3 = rows[3];
        float* b0 = columns[0], b1 = columns[1], b2 = columns[2];
        float* b3 = TSimd.Count == Simd512.Count ? columns[3] : null, b4 = TSimd.Count == Simd512.Count ? columns[4] : null, b5 = TSimd.Count == Simd512.Count ? columns[5] : null;
        for (long p = 0; p < positions; p += TSimd.Count)
        {
            TVector y0 = TSimd.Load(b0 + p);
            TVector y1 = TSimd.Load(b1 + p);
            TVector y2 = TSimd.Load(b2 + p);
            TVector y3 = TSimd.Count == Simd512.Count ? TSimd.Load(b3 + p) : TSimd.Zero;
            TVector y4 = TSimd.Count == Simd512.Count ? TSimd.Load(b4 + p) : TSimd.Zero;
            TVector y5 = TSimd.Count == Simd512.Count ? TSimd.Load(b5 + p) : TSimd.Zero;
            AddRow(TSimd.Load(a0 + p), y0, y1, y2, y3, y4, y5, ref c00, ref c01, ref c02, ref c03, ref c04, ref c05);
            AddRow(TSimd.Load(a1 + p), y0, y1, y2, y3, y4, y5, ref c10, ref c11, ref c12, ref c13, ref c14, ref c15);
            AddRow(TSimd.Load(a2 + p), y0, y1, y2, y3, y4, y5, ref c20, ref c21, ref c22, ref c23, ref c24, ref c25);
            AddRow(TSimd.Load(a3 + p), y0, y1, y2, y3, y4, y5, ref c30, ref c31, ref c32, ref c33, ref c34, ref c35);
        }

        StoreRow(sums, c00, c01, c02, c03, c04, c05);
        StoreRow(sums + step, c10, c11, c12, c13, c14, c15);
        StoreRow(sums + (2 * step), c20, c21, c22, c23, c24, c25);
        StoreRow(sums + (3 * step), c30, c31, c32, c33, c34, c35);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddRow(
        TVector x,
        TVector y0,
        TVector y1,
        TVector y2,
        TVector y3,
        TVector y4,
        TVector y5,
        ref TVector c0,
        ref TVector c1,
        ref TVector c2,
        ref TVector c3,
        ref TVector c4,
        ref TVector c5)
    {
        c0 = TSimd.MultiplyAdd(x, y0, c0);
        c1 = TSimd.MultiplyAdd(x, y1, c1);
        c2 = TSimd.MultiplyAdd(x, y2, c2);
        if (TSimd.Count == Simd512.Count)
        {
            c3 = TSimd.MultiplyAdd(x, y3, c3);
            c4 = TSimd.MultiplyAdd(x, y4, c4);
            c5 = TSimd.MultiplyAdd(x, y5, c5);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreRow(float* sums, TVector c0, TVector c1, TVector c2, TVector c3, TVector c4, TVector c5)
    {
        Add(sums, 0, c0);
        Add(sums, 1, c1);
        Add(sums, 2, c2);
        if (TSimd.Count == Simd512.Count)
        {
            Add(sums, 3, c3);
            Add(sums, 4, c4);
            Add(sums, 5, c5);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(float* sums, int vector, TVector value) =>
        TSimd.Store(TSimd.Add(TSimd.Load(sums + (vector * TSimd.Count)), value), sums + (vector * TSimd.Count));
}
