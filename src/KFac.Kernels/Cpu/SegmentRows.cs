using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Sums of adjacent rows, and scaled copies of one.</summary>
internal static unsafe class SegmentRows<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows that are added before the sum goes back to memory.</summary>
    private const int RowsPerPass = 4;

    /// <summary><c>sum[j] ← factor·Σ rows[r·stride + j]</c>, in the order of r; zeros where there are no rows.</summary>
    public static void Sum(float* rows, long stride, int count, int columns, float factor, float* sum)
    {
        new Span<float>(sum, columns).Clear();
        int row = 0;
        for (; row + RowsPerPass <= count; row += RowsPerPass)
        {
            AddFour(rows + (row * stride), stride, columns, sum);
        }

        for (; row < count; row++)
        {
            Add(rows + (row * stride), columns, sum);
        }

        Scale(sum, columns, factor, sum);
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

        for (; j < columns; j++)
        {
            result[j] = factor * source[j];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddFour(float* row, long stride, int columns, float* sum)
    {
        int j = 0;
        for (; j + TSimd.Count <= columns; j += TSimd.Count)
        {
            TVector total = TSimd.Add(TSimd.Load(sum + j), TSimd.Load(row + j));
            total = TSimd.Add(total, TSimd.Load(row + stride + j));
            total = TSimd.Add(total, TSimd.Load(row + (2 * stride) + j));
            total = TSimd.Add(total, TSimd.Load(row + (3 * stride) + j));
            TSimd.Store(total, sum + j);
        }

        for (; j < columns; j++)
        {
            sum[j] = sum[j] + row[j] + row[stride + j] + row[(2 * stride) + j] + row[(3 * stride) + j];
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Add(float* row, int columns, float* sum)
    {
        int j = 0;
        for (; j + TSimd.Count <= columns; j += TSimd.Count)
        {
            TSimd.Store(TSimd.Add(TSimd.Load(sum + j), TSimd.Load(row + j)), sum + j);
        }

        for (; j < columns; j++)
        {
            sum[j] += row[j];
        }
    }
}
