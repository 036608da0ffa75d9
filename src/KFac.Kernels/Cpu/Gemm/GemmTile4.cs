using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

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
        ColumnProduct<TSimd, TVector>.Multiply(rows, k, a, strideA, b, target);

    public static void Write(float* sums, int rows, int columns, in TileTarget target) =>
        TileRow<TSimd, TVector, ThreeVectors>.Write(sums, rows, columns, target);

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
        TVector c00 = TSimd.Zero, c01 = TSimd.Zero, c02 = TSimd.Zero;
        TVector c10 = TSimd.Zero, c11 = TSimd.Zero, c12 = TSimd.Zero;
        TVector c20 = TSimd.Zero, c21 = TSimd.Zero, c22 = TSimd.Zero;
        TVector c30 = TSimd.Zero, c31 = TSimd.Zero, c32 = TSimd.Zero;
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
                TVector b0 = TSimd.Load(b);
                TVector b1 = TVectors.Count > 1 ? TSimd.Load(b + TSimd.Count) : TSimd.Zero;
                TVector b2 = TVectors.Count > 2 ? TSimd.Load(b + (2 * TSimd.Count)) : TSimd.Zero;
                if (TForm.Packs)
                {
                    TSimd.Store(b0, panel);
                    TSimd.Store(b1, panel + TSimd.Count);
                    TSimd.Store(b2, panel + (2 * TSimd.Count));
                    panel += Columns;
                }

                TileRow<TSimd, TVector, TVectors>.MultiplyAdd(a[0], b0, b1, b2, ref c00, ref c01, ref c02);
                TileRow<TSimd, TVector, TVectors>.MultiplyAdd(a[row], b0, b1, b2, ref c10, ref c11, ref c12);
                if (TForm.AllRows)
                {
                    TileRow<TSimd, TVector, TVectors>.MultiplyAdd(a[2 * row], b0, b1, b2, ref c20, ref c21, ref c22);
                    TileRow<TSimd, TVector, TVectors>.MultiplyAdd(a[3 * row], b0, b1, b2, ref c30, ref c31, ref c32);
                }

                a += next;
                b += strideB;
            }
        }

        switch (target.Update)
        {
            case TileUpdate.Set:
                Write<TVectors, TForm, SetTile>(target, c00, c01, c02, c10, c11, c12, c20, c21, c22, c30, c31, c32);
                break;
            case TileUpdate.Add:
                Write<TVectors, TForm, AddTile>(target, c00, c01, c02, c10, c11, c12, c20, c21, c22, c30, c31, c32);
                break;
            case TileUpdate.AddScaled:
                Write<TVectors, TForm, AddScaledTile>(target, c00, c01, c02, c10, c11, c12, c20, c21, c22, c30, c31, c32);
                break;
            default:
                Write<TVectors, TForm, MixTile>(target, c00, c01, c02, c10, c11, c12, c20, c21, c22, c30, c31, c32);
                break;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Write<TVectors, TForm, TUpdate>(
        in TileTarget target,
        TVector c00, TVector c01, TVector c02,
        TVector c10, TVector c11, TVector c12,
        TVector c20, TVector c21, TVector c22,
        TVector c30, TVector c31, TVector c32)
        where TVectors : struct, ITileVectors
        where TForm : struct, ITileForm
        where TUpdate : struct, ITileUpdate
    {
        TileRow<TSimd, TVector, TVectors>.Write<TUpdate>(target, 0, c00, c01, c02);
        TileRow<TSimd, TVector, TVectors>.Write<TUpdate>(target, 1, c10, c11, c12);
        if (TForm.AllRows)
        {
            TileRow<TSimd, TVector, TVectors>.Write<TUpdate>(target, 2, c20, c21, c22);
            TileRow<TSimd, TVector, TVectors>.Write<TUpdate>(target, 3, c30, c31, c32);
        }
    }
}
