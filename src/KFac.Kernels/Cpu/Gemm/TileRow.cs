using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

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

    /// <summary>Row <paramref name="row"/> of a tile to C.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(in TileTarget target, int row, TVector c0, TVector c1, TVector c2) =>
        Write(target.C + (row * target.Ldc), target.Alpha, target.Beta, c0, c1, c2);

    /// <summary><c>c ← α·sums + β·c</c>; c is not read where β is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write(float* c, float alpha, float beta, TVector c0, TVector c1, TVector c2)
    {
        TSimd.Store(Update(alpha, beta, c0, c), c);
        if (TVectors.Count > 1)
        {
            TSimd.Store(Update(alpha, beta, c1, c + TSimd.Count), c + TSimd.Count);
        }

        if (TVectors.Count > 2)
        {
            TSimd.Store(Update(alpha, beta, c2, c + (2 * TSimd.Count)), c + (2 * TSimd.Count));
        }
    }

    /// <inheritdoc cref="IGemmTile.Write"/>
    public static void Write(float* sums, int rows, int columns, in TileTarget target)
    {
        for (int i = 0; i < rows; i++)
        {
            float* c = target.C + (i * target.Ldc);
            int j = 0;
            for (; j + TSimd.Count <= columns; j += TSimd.Count)
            {
                TSimd.Store(Update(target.Alpha, target.Beta, TSimd.Load(sums + j), c + j), c + j);
            }

            if (j < columns)
            {
                WritePart(sums + j, columns - j, target.Alpha, target.Beta, c + j);
            }

            sums += 3 * TSimd.Count;
        }
    }

    private static void WritePart(float* sums, int count, float alpha, float beta, float* c)
    {
        TVector sum = TSimd.Multiply(TSimd.Create(alpha), TSimd.Load(sums));
        if (beta != 0)
        {
            TVector old = TSimd.Multiply(TSimd.Create(beta), TSimd.LoadPartial(c, count));
            sum = TSimd.MultiplyAdd(TSimd.Create(alpha), TSimd.Load(sums), old);
        }

        TSimd.StorePartial(sum, c, count);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TVector Update(float alpha, float beta, TVector sum, float* c) => beta == 0
        ? TSimd.Multiply(TSimd.Create(alpha), sum)
        : TSimd.MultiplyAdd(TSimd.Create(alpha), sum, TSimd.Multiply(TSimd.Create(beta), TSimd.Load(c)));
}
