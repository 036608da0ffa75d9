using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary>8 rows of 48 columns in AVX-512.</summary>
internal readonly unsafe struct GemmTile512 : IGemmTile
{
    public static int Rows => 8;

    public static int Columns => 3 * Simd512.Count;

    public static void Pack(float* panel, int k, int columns, StridedMatrix source) =>
        GemmPanel<Simd512, Vector512<float>>.Pack(panel, k, columns, source);

    public static void Multiply(int k, float* a, int strideA, float* b, float alpha, float beta, float* c, long ldc) =>
        Multiply<ThreeVectors, WholeTile>(k, a, strideA, b, Columns, null, new TileTarget(alpha, beta, c, ldc), ref Unsafe.NullRef<LinesAhead>());

    public static void MultiplyPacking(
        int k, float* a, long strideA, float* b, long strideB, float* panel, float alpha, float beta, float* c, long ldc) =>
        Multiply<ThreeVectors, PackingTile>(k, a, strideA, b, strideB, panel, new TileTarget(alpha, beta, c, ldc), ref Unsafe.NullRef<LinesAhead>());

    public static void MultiplyPart(
        int rows, int vectors, int k, float* a, long strideA, float* b, long strideB, float alpha, float beta, float* c, long ldc)
    {
        var target = new TileTarget(alpha, beta, c, ldc);
        if (rows == Rows)
        {
            Multiply<WholeTile>(vectors, k, a, strideA, b, strideB, target, ref Unsafe.NullRef<LinesAhead>());
        }
        else
        {
            Multiply<HalfTile>(vectors, k, a, strideA, b, strideB, target, ref Unsafe.NullRef<LinesAhead>());
        }
    }

    public static void MultiplyFetching(
        int rows, int vectors, int k, float* a, long strideA, float* b, long strideB, in TileTarget target, ref LinesAhead ahead)
    {
        if (rows == Rows)
        {
            Multiply<FetchingTile>(vectors, k, a, strideA, b, strideB, target, ref ahead);
        }
        else
        {
            Multiply<FetchingHalfTile>(vectors, k, a, strideA, b, strideB, target, ref ahead);
        }
    }

    public static void MultiplyRows(
        int rows, int vectors, int k, float* a, long strideA, float* b, long strideB, float alpha, float beta, float* c, long ldc)
    {
        var target = new TileTarget(alpha, beta, c, ldc);
        if (rows == Rows)
        {
            Multiply<WholeTileOfRows>(vectors, k, a, strideA, b, strideB, target, ref Unsafe.NullRef<LinesAhead>());
        }
        else
        {
            Multiply<HalfTileOfRows>(vectors, k, a, strideA, b, strideB, target, ref Unsafe.NullRef<LinesAhead>());
        }
    }

    public static void MultiplyRowsFetching(
        int rows, int vectors, int k, float* a, long strideA, float* b, long strideB, in TileTarget target, ref LinesAhead ahead)
    {
        if (rows == Rows)
        {
            Multiply<FetchingTileOfRows>(vectors, k, a, strideA, b, strideB, target, ref ahead);
        }
        else
        {
            Multiply<FetchingHalfTileOfRows>(vectors, k, a, strideA, b, strideB, target, ref ahead);
        }
    }

    public static void MultiplyColumn(int rows, int k, float* a, long strideA, float* b, in TileTarget target) =>
        ColumnProduct<Simd512, Vector512<float>>.Multiply(rows, k, a, strideA, b, target);

    public static void Write(float* sums, int rows, int columns, in TileTarget target) =>
        TileRow<Simd512, Vector512<float>, ThreeVectors>.Write(sums, rows, columns, target);

    private static void Multiply<TForm>(
        int vectors, int k, float* a, long strideA, float* b, long strideB, in TileTarget target, ref LinesAhead ahead)
        where TForm : struct, ITileForm
    {
        switch (vectors)
        {
            case 1:
                Multiply<OneVector, TForm>(k, a, strideA, b, strideB, null, target, ref ahead);
                break;
            case 2:
                Multiply<TwoVectors, TForm>(k, a, strideA, b, strideB, null, target, ref ahead);
                break;
            default:
                Multiply<ThreeVectors, TForm>(k, a, strideA, b, strideB, null, target, ref ahead);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
    private static void Multiply<TVectors, TForm>(
        int k, float* a, long strideA, float* b, long strideB, float* panel, in TileTarget target, ref LinesAhead ahead)
        where TVectors : struct, ITileVectors
        where TForm : struct, ITileForm
    {
        Vector512<float> c00 = Simd512.Zero, c01 = Simd512.Zero, c02 = Simd512.Zero;
        Vector512<float> c10 = Simd512.Zero, c11 = Simd512.Zero, c12 = Simd512.Zero;
        Vector512<float> c20 = Simd512.Zero, c21 = Simd512.Zero, c22 = Simd512.Zero;
        Vector512<float> c30 = Simd512.Zero, c31 = Simd512.Zero, c32 = Simd512.Zero;
        Vector512<float> c40 = Simd512.Zero, c41 = Simd512.Zero, c42 = Simd512.Zero;
        Vector512<float> c50 = Simd512.Zero, c51 = Simd512.Zero, c52 = Simd512.Zero;
        Vector512<float> c60 = Simd512.Zero, c61 = Simd512.Zero, c62 = Simd512.Zero;
        Vector512<float> c70 = Simd512.Zero, c71 = Simd512.Zero, c72 = Simd512.Zero;
        long next = TForm.RowsOfA ? 1 : strideA;
        long row = TForm.RowsOfA ? strideA : 1;
        while (k > 0)
        {
            int steps = k;
            if (TForm.Fetches)
            {
                ahead.Fetch();
                steps = Math.Min(k, ahead.StepsPerLine);
            }

            k -= steps;
            for (; steps > 0; steps--)
            {
                Vector512<float> b0 = Simd512.Load(b);
                Vector512<float> b1 = TVectors.Count > 1 ? Simd512.Load(b + Simd512.Count) : Simd512.Zero;
                Vector512<float> b2 = TVectors.Count > 2 ? Simd512.Load(b + (2 * Simd512.Count)) : Simd512.Zero;
                if (TForm.Packs)
                {
                    Simd512.Store(b0, panel);
                    Simd512.Store(b1, panel + Simd512.Count);
                    Simd512.Store(b2, panel + (2 * Simd512.Count));
                    panel += Columns;
                }

                TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[0], b0, b1, b2, ref c00, ref c01, ref c02);
                TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[row], b0, b1, b2, ref c10, ref c11, ref c12);
                TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[2 * row], b0, b1, b2, ref c20, ref c21, ref c22);
                TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[3 * row], b0, b1, b2, ref c30, ref c31, ref c32);
                if (TForm.AllRows)
                {
                    TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[4 * row], b0, b1, b2, ref c40, ref c41, ref c42);
                    TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[5 * row], b0, b1, b2, ref c50, ref c51, ref c52);
                    TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[6 * row], b0, b1, b2, ref c60, ref c61, ref c62);
                    TileRow<Simd512, Vector512<float>, TVectors>.MultiplyAdd(a[7 * row], b0, b1, b2, ref c70, ref c71, ref c72);
                }

                a += next;
                b += strideB;
            }
        }

        switch (target.Update)
        {
            case TileUpdate.Set:
                Write<TVectors, TForm, SetTile>(
                    target,
                    c00, c01, c02, c10, c11, c12, c20, c21, c22, c30, c31, c32,
                    c40, c41, c42, c50, c51, c52, c60, c61, c62, c70, c71, c72);
                break;
            case TileUpdate.Add:
                Write<TVectors, TForm, AddTile>(
                    target,
                    c00, c01, c02, c10, c11, c12, c20, c21, c22, c30, c31, c32,
                    c40, c41, c42, c50, c51, c52, c60, c61, c62, c70, c71, c72);
                break;
            case TileUpdate.AddScaled:
                Write<TVectors, TForm, AddScaledTile>(
                    target,
                    c00, c01, c02, c10, c11, c12, c20, c21, c22, c30, c31, c32,
                    c40, c41, c42, c50, c51, c52, c60, c61, c62, c70, c71, c72);
                break;
            default:
                Write<TVectors, TForm, MixTile>(
                    target,
                    c00, c01, c02, c10, c11, c12, c20, c21, c22, c30, c31, c32,
                    c40, c41, c42, c50, c51, c52, c60, c61, c62, c70, c71, c72);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write<TVectors, TForm, TUpdate>(
        in TileTarget target,
        Vector512<float> c00, Vector512<float> c01, Vector512<float> c02,
        Vector512<float> c10, Vector512<float> c11, Vector512<float> c12,
        Vector512<float> c20, Vector512<float> c21, Vector512<float> c22,
        Vector512<float> c30, Vector512<float> c31, Vector512<float> c32,
        Vector512<float> c40, Vector512<float> c41, Vector512<float> c42,
        Vector512<float> c50, Vector512<float> c51, Vector512<float> c52,
        Vector512<float> c60, Vector512<float> c61, Vector512<float> c62,
        Vector512<float> c70, Vector512<float> c71, Vector512<float> c72)
        where TVectors : struct, ITileVectors
        where TForm : struct, ITileForm
        where TUpdate : struct, ITileUpdate
    {
        TileRow<Simd512, Vector512<float>, TVectors>.Write<TUpdate>(target, 0, c00, c01, c02);
        TileRow<Simd512, Vector512<float>, TVectors>.Write<TUpdate>(target, 1, c10, c11, c12);
        TileRow<Simd512, Vector512<float>, TVectors>.Write<TUpdate>(target, 2, c20, c21, c22);
        TileRow<Simd512, Vector512<float>, TVectors>.Write<TUpdate>(target, 3, c30, c31, c32);
        if (TForm.AllRows)
        {
            TileRow<Simd512, Vector512<float>, TVectors>.Write<TUpdate>(target, 4, c40, c41, c42);
            TileRow<Simd512, Vector512<float>, TVectors>.Write<TUpdate>(target, 5, c50, c51, c52);
            TileRow<Simd512, Vector512<float>, TVectors>.Write<TUpdate>(target, 6, c60, c61, c62);
            TileRow<Simd512, Vector512<float>, TVectors>.Write<TUpdate>(target, 7, c70, c71, c72);
        }
    }
}
