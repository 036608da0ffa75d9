namespace KFac.Kernels.Cpu;

/// <summary>Turns columns so that the element of largest magnitude, the first of equal ones, is positive.</summary>
internal static unsafe class EigenvectorSigns<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    public static void Fix(float* c, long ldc, int rows, int columns)
    {
        int column = 0;
        for (; column + TSimd.Count <= columns; column += TSimd.Count)
        {
            FixVector(c + column, ldc, rows);
        }

        for (; column < columns; column++)
        {
            if (IsNegative(c + column, ldc, rows))
            {
                for (int i = 0; i < rows; i++)
                {
                    c[(i * ldc) + column] = -c[(i * ldc) + column];
                }
            }
        }
    }

    private static void FixVector(float* c, long ldc, int rows)
    {
        TVector high = TSimd.Zero;
        TVector low = TSimd.Zero;
        for (int i = 0; i < rows; i++)
        {
            TVector row = TSimd.Load(c + (i * ldc));
            high = TSimd.Max(high, row);
            low = TSimd.Min(low, row);
        }

        float* highs = stackalloc float[2 * TSimd.Count];
        float* signs = highs + TSimd.Count;
        TSimd.Store(high, highs);
        TSimd.Store(low, signs);
        bool isAnyNegative = false;
        for (int lane = 0; lane < TSimd.Count; lane++)
        {
            float difference = highs[lane] + signs[lane];
            bool isNegative = difference == 0 ? IsNegative(c + lane, ldc, rows) : difference < 0;
            signs[lane] = isNegative ? -1 : 1;
            isAnyNegative |= isNegative;
        }

        if (!isAnyNegative)
        {
            return;
        }

        TVector factors = TSimd.Load(signs);
        for (int i = 0; i < rows; i++)
        {
            TSimd.Store(TSimd.Multiply(factors, TSimd.Load(c + (i * ldc))), c + (i * ldc));
        }
    }

    /// <summary>Whether the element of largest magnitude, the first of equal ones, is negative.</summary>
    public static bool IsNegative(float* column, long ldc, int rows)
    {
        float largest = 0;
        for (int i = 0; i < rows; i++)
        {
            float value = column[i * ldc];
            largest = MathF.Abs(value) > MathF.Abs(largest) ? value : largest;
        }

        return largest < 0;
    }
}
