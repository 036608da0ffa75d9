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
    public static void Write(in TileTarget target, int row, TVector c0, TVector c1, TVector c2)
    {
        if (target.Beta == 0)
        {
            Write<SetTile>(target, row, c0, c1, c2);
        }
        else
        {
            Write<MixTile>(target, row, c0, c1, c2);
        }
    }

    /// <summary>As the other, for a target whose update is known.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Write<TUpdate>(in TileTarget target, int row, TVector c0, TVector c1, TVector c2)
        where TUpdate : struct, ITileUpdate
    {
        float* c = target.C + (row * target.Ldc);
        TSimd.Store(TUpdate.Of<TSimd, TVector>(target, c0, c), c);
        if (TVectors.Count > 1)
        {
            TSimd.Store(TUpdate.Of<TSimd, TVector>(target, c1, c + TSimd.Count), c + TSimd.Count);
        }

        if (TVectors.Count > 2)
        {
            TSimd.Store(TUpdate.Of<TSimd, TVector>(target, c2, c + (2 * TSimd.Count)), c + (2 * TSimd.Count));
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
                TSimd.Store(target.Beta == 0 ? SetTile.Of<TSimd, TVector>(target, TSimd.Load(sums + j), c + j)
                    : MixTile.Of<TSimd, TVector>(target, TSimd.Load(sums + j), c + j), c + j);
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
}
