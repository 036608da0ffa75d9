using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Sums of adjacent rows, and scaled copies of one.</summary>
/// <remarks>
/// Rows that stay in the first-level cache together are summed strip by strip, in registers. Others are added four at a time to a
/// sum in that cache, so that memory is read nearly in order: the processor follows few streams better than many. Rows shorter than a
/// vector that lie without gaps are taken as many together as a vector has elements, which makes whole vectors of them; only
/// the sum of these is taken apart.
/// <para>
/// Measured on two cores of an AMD EPYC with AVX-512, from memory: 64 examples of 1024×64 39 GB/s with eight rows at a time, 46 with
/// four; of 196×1536 45, 48, with two 43, with one 46; 512 examples of 25×300 40, 41, in strips 46 GB/s. All rows at once in up to
/// 24 registers read the same bytes in order and were slower (41 GB/s at 300).
/// </para>
/// </remarks>
internal static unsafe class SegmentRows<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows that are added before the sum goes back to memory.</summary>
    private const int RowsPerPass = 4;

    /// <summary>Vectors in a strip whose sums stay in registers.</summary>
    private const int VectorsInStrip = 8;

    /// <summary>Elements from the first row to the last that are summed by strips.</summary>
    private const int MostElementsOfStrips = 8192;

    /// <summary><c>sum[j] ← factor·Σ rows[r·stride + j]</c>, in the order of r; zeros where there are no rows.</summary>
    [SkipLocalsInit]
    public static void Sum(float* rows, long stride, int count, int columns, float factor, float* sum)
    {
        if (columns < TSimd.Count && stride == columns && count >= 2 * TSimd.Count)
        {
            float* together = stackalloc float[TSimd.Count * TSimd.Count];
            int elements = columns * TSimd.Count;
            Sum(rows, elements, count / TSimd.Count, elements, 1, together);
            AddShort(together, rows + (count / TSimd.Count * (long)elements), count % TSimd.Count, columns, factor, sum);
            return;
        }

        int done = 0;
        if (count * stride <= MostElementsOfStrips)
        {
            for (; done + (VectorsInStrip * TSimd.Count) <= columns; done += VectorsInStrip * TSimd.Count)
            {
                SumStrip(rows + done, stride, count, factor, sum + done);
            }
        }

        if (done < columns)
        {
            int together = count - (count % RowsPerPass);
            AddFours(rows + done, stride, together, columns - done, together == count ? factor : 1, sum + done);
            if (together < count || count == 0)
            {
                float* rest = rows + (together * stride) + done;
                AddRest(rest, stride, count - together, columns - done, together == 0, factor, sum + done);
            }
        }
    }

    /// <summary><c>result[j] ← factor·source[j]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Scale(float* source, int columns, float factor, float* result)
    {
        int j = 0;
        for (; j + TSimd.Count <= columns; j += TSimd.Count)
        {
            TSimd.Store(TSimd.Multiply(TSimd.Create(factor), TSimd.Load(source + j)), result + j);
        }

        if (j < columns)
        {
            TSimd.StorePartial(TSimd.Multiply(TSimd.Create(factor), TSimd.LoadPartial(source + j, columns - j)), result + j, columns - j);
        }
    }

    /// <summary><c>sum[j] ← factor·Σ row[r·stride + j]</c> for a multiple of four rows, four at a time; nothing where there are none.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddFours(float* row, long stride, int count, int columns, float factor, float* sum)
    {
        int whole = columns - (columns % TSimd.Count);
        for (int r = 0; r < count; r += RowsPerPass)
        {
            float* row1 = row + stride;
            float* row2 = row1 + stride;
            float* row3 = row2 + stride;
            TVector scale = TSimd.Create(r + RowsPerPass == count ? factor : 1);
            for (int j = 0; j < whole; j += TSimd.Count)
            {
                TVector total = r == 0 ? TSimd.Zero : TSimd.Load(sum + j);
                total = TSimd.Add(total, TSimd.Load(row + j));
                total = TSimd.Add(total, TSimd.Load(row1 + j));
                total = TSimd.Add(total, TSimd.Load(row2 + j));
                total = TSimd.Add(total, TSimd.Load(row3 + j));
                TSimd.Store(TSimd.Multiply(scale, total), sum + j);
            }

            if (whole < columns)
            {
                int rest = columns - whole;
                TVector total = r == 0 ? TSimd.Zero : TSimd.LoadPartial(sum + whole, rest);
                total = TSimd.Add(total, TSimd.LoadPartial(row + whole, rest));
                total = TSimd.Add(total, TSimd.LoadPartial(row1 + whole, rest));
                total = TSimd.Add(total, TSimd.LoadPartial(row2 + whole, rest));
                total = TSimd.Add(total, TSimd.LoadPartial(row3 + whole, rest));
                TSimd.StorePartial(TSimd.Multiply(scale, total), sum + whole, rest);
            }

            row = row3 + stride;
        }
    }

    /// <summary><c>sum[j] ← factor·(sum[j] + Σ row[r·stride + j])</c> for fewer than four rows; sum is not read where they are the first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRest(float* row, long stride, int count, int columns, bool first, float factor, float* sum)
    {
        TVector scale = TSimd.Create(factor);
        for (int j = 0; j < columns; j += TSimd.Count)
        {
            int present = Math.Min(TSimd.Count, columns - j);
            TVector total = first ? TSimd.Zero : TSimd.LoadPartial(sum + j, present);
            for (int r = 0; r < count; r++)
            {
                total = TSimd.Add(total, TSimd.LoadPartial(row + (r * stride) + j, present));
            }

            TSimd.StorePartial(TSimd.Multiply(scale, total), sum + j, present);
        }
    }

    /// <summary><c>sum[j] ← factor·(Σ together[r·columns + j] + Σ rest[r·columns + j])</c>, as many rows together as a vector has elements.</summary>
    private static void AddShort(float* together, float* rest, int restRows, int columns, float factor, float* sum)
    {
        for (int j = 0; j < columns; j++)
        {
            float total = 0;
            for (int r = 0; r < TSimd.Count; r++)
            {
                total += together[(r * columns) + j];
            }

            for (int r = 0; r < restRows; r++)
            {
                total += rest[(r * columns) + j];
            }

            sum[j] = factor * total;
        }
    }

    /// <summary>Sums of as many columns as a strip has.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SumStrip(float* row, long stride, int count, float factor, float* sum)
    {
        TVector s0 = TSimd.Zero, s1 = TSimd.Zero, s2 = TSimd.Zero, s3 = TSimd.Zero;
        TVector s4 = TSimd.Zero, s5 = TSimd.Zero, s6 = TSimd.Zero, s7 = TSimd.Zero;
        for (int r = 0; r < count; r++)
        {
            s0 = TSimd.Add(s0, TSimd.Load(row));
            s1 = TSimd.Add(s1, TSimd.Load(row + TSimd.Count));
            s2 = TSimd.Add(s2, TSimd.Load(row + (2 * TSimd.Count)));
            s3 = TSimd.Add(s3, TSimd.Load(row + (3 * TSimd.Count)));
            s4 = TSimd.Add(s4, TSimd.Load(row + (4 * TSimd.Count)));
            s5 = TSimd.Add(s5, TSimd.Load(row + (5 * TSimd.Count)));
            s6 = TSimd.Add(s6, TSimd.Load(row + (6 * TSimd.Count)));
            s7 = TSimd.Add(s7, TSimd.Load(row + (7 * TSimd.Count)));
            row += stride;
        }

        TVector scale = TSimd.Create(factor);
        TSimd.Store(TSimd.Multiply(scale, s0), sum);
        TSimd.Store(TSimd.Multiply(scale, s1), sum + TSimd.Count);
        TSimd.Store(TSimd.Multiply(scale, s2), sum + (2 * TSimd.Count));
        TSimd.Store(TSimd.Multiply(scale, s3), sum + (3 * TSimd.Count));
        TSimd.Store(TSimd.Multiply(scale, s4), sum + (4 * TSimd.Count));
        TSimd.Store(TSimd.Multiply(scale, s5), sum + (5 * TSimd.Count));
        TSimd.Store(TSimd.Multiply(scale, s6), sum + (6 * TSimd.Count));
        TSimd.Store(TSimd.Multiply(scale, s7), sum + (7 * TSimd.Count));
    }
}
