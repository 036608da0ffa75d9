namespace KFac.Kernels.Cpu;

/// <summary>Products of a few long rows with a vector, for the columns of a tridiagonal reduction.</summary>
/// <remarks>All memory is padded by zeros for one vector beyond its length, so loops have no remainder.</remarks>
internal static unsafe class PanelVectors<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary><c>xᵀ·y</c>.</summary>
    public static float Dot(float* x, float* y, int length)
    {
        TVector sum0 = TSimd.Zero;
        TVector sum1 = TSimd.Zero;
        int i = 0;
        for (; i + TSimd.Count < length; i += 2 * TSimd.Count)
        {
            sum0 = TSimd.MultiplyAdd(TSimd.Load(x + i), TSimd.Load(y + i), sum0);
            sum1 = TSimd.MultiplyAdd(TSimd.Load(x + i + TSimd.Count), TSimd.Load(y + i + TSimd.Count), sum1);
        }

        if (i < length)
        {
            sum0 = TSimd.MultiplyAdd(TSimd.Load(x + i), TSimd.Load(y + i), sum0);
        }

        return TSimd.Sum(TSimd.Add(sum0, sum1));
    }

    /// <summary><c>x ← factor·x</c>.</summary>
    public static void Scale(float* x, int length, float factor)
    {
        TVector scale = TSimd.Create(factor);
        for (int i = 0; i < length; i += TSimd.Count)
        {
            TSimd.Store(TSimd.Multiply(scale, TSimd.Load(x + i)), x + i);
        }
    }

    /// <summary><c>results[r] ← rows[r]·x</c>.</summary>
    public static void Dots(float* rows, long stride, int count, float* x, int length, float* results)
    {
        int r = 0;
        for (; r + 4 <= count; r += 4)
        {
            FourDots(rows + (r * stride), stride, x, length, results + r);
        }

        for (; r < count; r++)
        {
            results[r] = Dot(rows + (r * stride), x, length);
        }
    }

    /// <summary><c>y ← y − Σ_r coefficients[r]·rows[r]</c>.</summary>
    public static void Subtract(float* y, int length, float* rows, long stride, int count, float* coefficients)
    {
        int i = 0;
        for (; i + (3 * TSimd.Count) < length; i += 4 * TSimd.Count)
        {
            SubtractFour(y + i, rows + i, stride, count, coefficients);
        }

        for (; i < length; i += TSimd.Count)
        {
            TVector sum = TSimd.Load(y + i);
            for (int r = 0; r < count; r++)
            {
                sum = TSimd.MultiplyAdd(TSimd.Create(-coefficients[r]), TSimd.Load(rows + (r * stride) + i), sum);
            }

            TSimd.Store(sum, y + i);
        }
    }

    private static void SubtractFour(float* y, float* rows, long stride, int count, float* coefficients)
    {
        TVector sum0 = TSimd.Load(y);
        TVector sum1 = TSimd.Load(y + TSimd.Count);
        TVector sum2 = TSimd.Load(y + (2 * TSimd.Count));
        TVector sum3 = TSimd.Load(y + (3 * TSimd.Count));
        for (int r = 0; r < count; r++)
        {
            TVector factor = TSimd.Create(-coefficients[r]);
            sum0 = TSimd.MultiplyAdd(factor, TSimd.Load(rows), sum0);
            sum1 = TSimd.MultiplyAdd(factor, TSimd.Load(rows + TSimd.Count), sum1);
            sum2 = TSimd.MultiplyAdd(factor, TSimd.Load(rows + (2 * TSimd.Count)), sum2);
            sum3 = TSimd.MultiplyAdd(factor, TSimd.Load(rows + (3 * TSimd.Count)), sum3);
            rows += stride;
        }

        TSimd.Store(sum0, y);
        TSimd.Store(sum1, y + TSimd.Count);
        TSimd.Store(sum2, y + (2 * TSimd.Count));
        TSimd.Store(sum3, y + (3 * TSimd.Count));
    }

    private static void FourDots(float* rows, long stride, float* x, int length, float* results)
    {
        float* row1 = rows + stride;
        float* row2 = row1 + stride;
        float* row3 = row2 + stride;
        TVector sum0 = TSimd.Zero, sum1 = TSimd.Zero, sum2 = TSimd.Zero, sum3 = TSimd.Zero;
        for (int i = 0; i < length; i += TSimd.Count)
        {
            TVector v = TSimd.Load(x + i);
            sum0 = TSimd.MultiplyAdd(TSimd.Load(rows + i), v, sum0);
            sum1 = TSimd.MultiplyAdd(TSimd.Load(row1 + i), v, sum1);
            sum2 = TSimd.MultiplyAdd(TSimd.Load(row2 + i), v, sum2);
            sum3 = TSimd.MultiplyAdd(TSimd.Load(row3 + i), v, sum3);
        }

        results[0] = TSimd.Sum(sum0);
        results[1] = TSimd.Sum(sum1);
        results[2] = TSimd.Sum(sum2);
        results[3] = TSimd.Sum(sum3);
    }
}
