namespace KFac.Kernels.Cpu;

/// <summary><c>y ← y + A·v</c> for rows of a symmetric matrix of which the upper triangle is stored: every element is read once and used twice.</summary>
internal static unsafe class SymmetricProduct<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int RowsAtATime = 4;

    /// <summary>Adds what the stored elements of rows <paramref name="start"/> to <paramref name="end"/> contribute, above and below the diagonal.</summary>
    /// <param name="a">Rows padded by zeros for one vector beyond column n.</param>
    /// <param name="end">A multiple of 4 rows after the start, or n.</param>
    /// <param name="v">[n], padded likewise; as is y.</param>
    public static void AddRows(float* a, long stride, int n, int start, int end, float* v, float* y)
    {
        for (int i = start; i < end; i += RowsAtATime)
        {
            int rows = Math.Min(RowsAtATime, n - i);
            AddCorner(a + (i * stride) + i, stride, rows, v + i, y + i);
            if (rows == RowsAtATime)
            {
                AddFourRows(a + (i * stride), stride, i, n, v, y);
            }
        }
    }

    private static void AddCorner(float* a, long stride, int size, float* v, float* y)
    {
        for (int p = 0; p < size; p++)
        {
            y[p] += a[(p * stride) + p] * v[p];
            for (int q = p + 1; q < size; q++)
            {
                y[p] += a[(p * stride) + q] * v[q];
                y[q] += a[(p * stride) + q] * v[p];
            }
        }
    }

    private static void AddFourRows(float* a0, long stride, int i, int n, float* v, float* y)
    {
        float* a1 = a0 + stride;
        float* a2 = a1 + stride;
        float* a3 = a2 + stride;
        TVector v0 = TSimd.Create(v[i]), v1 = TSimd.Create(v[i + 1]), v2 = TSimd.Create(v[i + 2]), v3 = TSimd.Create(v[i + 3]);
        TVector sum0 = TSimd.Zero, sum1 = TSimd.Zero, sum2 = TSimd.Zero, sum3 = TSimd.Zero;
        for (int j = i + RowsAtATime; j < n; j += TSimd.Count)
        {
            TVector x = TSimd.Load(v + j);
            TVector result = TSimd.Load(y + j);
            TVector row = TSimd.Load(a0 + j);
            sum0 = TSimd.MultiplyAdd(row, x, sum0);
            result = TSimd.MultiplyAdd(row, v0, result);
            row = TSimd.Load(a1 + j);
            sum1 = TSimd.MultiplyAdd(row, x, sum1);
            result = TSimd.MultiplyAdd(row, v1, result);
            row = TSimd.Load(a2 + j);
            sum2 = TSimd.MultiplyAdd(row, x, sum2);
            result = TSimd.MultiplyAdd(row, v2, result);
            row = TSimd.Load(a3 + j);
            sum3 = TSimd.MultiplyAdd(row, x, sum3);
            result = TSimd.MultiplyAdd(row, v3, result);
            TSimd.Store(result, y + j);
        }

        y[i] += TSimd.Sum(sum0);
        y[i + 1] += TSimd.Sum(sum1);
        y[i + 2] += TSimd.Sum(sum2);
        y[i + 3] += TSimd.Sum(sum3);
    }
}
