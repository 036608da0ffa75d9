using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Sums of adjacent rows, and scaled copies of one.</summary>
internal static unsafe class SegmentRows<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows that are added before the sum goes back to memory.</summary>
    private const int RowsPerPass = 8;

    /// <summary><c>sum[j] ← factor·Σ rows[r·stride + j]</c>, in the order of r; zeros where there are no rows.</summary>
    public static void Sum(float* rows, long stride, int count, int columns, float factor, float* sum)
    {
        for (int row = 0; row == 0 || row < count; row += RowsPerPass)
        {
            int taken = Math.Min(RowsPerPass, count - row);
            bool last = row + taken >= count;
            AddRows(rows + (row * stride), stride, taken, columns, row == 0, last ? factor : 1, sum);
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

    /// <summary><c>sum[j] ← factor·(sum[j] + Σ row[r·stride + j])</c>; sum is not read where it is the first.</summary>
    private static void AddRows(float* row, long stride, int count, int columns, bool first, float factor, float* sum)
    {
        int whole = columns - (columns % TSimd.Count);
        if (count == RowsPerPass)
        {
            AddEight(row, stride, whole, first, factor, sum);
        }
        else
        {
            AddSome(row, stride, count, whole, first, factor, sum);
        }

        if (whole < columns)
        {
            int rest = columns - whole;
            TVector total = first ? TSimd.Zero : TSimd.LoadPartial(sum + whole, rest);
            for (int r = 0; r < count; r++)
            {
                total = TSimd.Add(total, TSimd.LoadPartial(row + (r * stride) + whole, rest));
            }

            TSimd.StorePartial(TSimd.Multiply(TSimd.Create(factor), total), sum + whole, rest);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddEight(float* row, long stride, int columns, bool first, float factor, float* sum)
    {
        float* row4 = row + (4 * stride);
        for (int j = 0; j < columns; j += TSimd.Count)
        {
            TVector total = first ? TSimd.Zero : TSimd.Load(sum + j);
            total = TSimd.Add(total, TSimd.Load(row + j));
            total = TSimd.Add(total, TSimd.Load(row + stride + j));
            total = TSimd.Add(total, TSimd.Load(row + (2 * stride) + j));
            total = TSimd.Add(total, TSimd.Load(row + (3 * stride) + j));
            total = TSimd.Add(total, TSimd.Load(row4 + j));
            total = TSimd.Add(total, TSimd.Load(row4 + stride + j));
            total = TSimd.Add(total, TSimd.Load(row4 + (2 * stride) + j));
            total = TSimd.Add(total, TSimd.Load(row4 + (3 * stride) + j));
            TSimd.Store(TSimd.Multiply(TSimd.Create(factor), total), sum + j);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddSome(float* row, long stride, int count, int columns, bool first, float factor, float* sum)
    {
        for (int j = 0; j < columns; j += TSimd.Count)
        {
            TVector total = first ? TSimd.Zero : TSimd.Load(sum + j);
            float* element = row + j;
            for (int r = 0; r < count; r++)
            {
                total = TSimd.Add(total, TSimd.Load(element));
                element += stride;
            }

            TSimd.Store(TSimd.Multiply(TSimd.Create(factor), total), sum + j);
        }
    }
}
