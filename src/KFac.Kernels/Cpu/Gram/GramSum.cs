namespace KFac.Kernels.Cpu;

/// <summary>What finishes a Gram matrix: the sum of its chunks, and the upper triangle.</summary>
internal static unsafe class GramSum<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows whose part left of the diagonal block is transposed in registers.</summary>
    private const int MirrorRows = 16;

    /// <summary><c>c[j] ← α·Σ partial[n·stride + j] + β·c[j]</c>, in the order of n; c is not read where β is 0.</summary>
    public static void Row(float* partial, long stride, int chunks, int columns, float alpha, float beta, float* c)
    {
        int j = 0;
        for (; j + TSimd.Count <= columns; j += TSimd.Count)
        {
            TVector sum = TSimd.Load(partial + j);
            for (int n = 1; n < chunks; n++)
            {
                sum = TSimd.Add(sum, TSimd.Load(partial + (n * stride) + j));
            }

            sum = TSimd.Multiply(TSimd.Create(alpha), sum);
            sum = beta == 0 ? sum : TSimd.Add(sum, TSimd.Multiply(TSimd.Create(beta), TSimd.Load(c + j)));
            TSimd.Store(sum, c + j);
        }

        for (; j < columns; j++)
        {
            float sum = partial[j];
            for (int n = 1; n < chunks; n++)
            {
                sum += partial[(n * stride) + j];
            }

            c[j] = beta == 0 ? alpha * sum : (alpha * sum) + (beta * c[j]);
        }
    }

    /// <summary>Copies rows <paramref name="start"/> to <paramref name="end"/> of the lower triangle to the upper.</summary>
    public static void Mirror(int start, int end, float* c, long ldc)
    {
        for (int row = start; row < end; row += MirrorRows)
        {
            int rows = Math.Min(MirrorRows, end - row);
            var below = new StridedMatrix(c + (row * ldc), 1, ldc);
            PanelTranspose<TSimd, TVector>.Run(c + row, ldc, row, rows, below);
            for (int i = row; i < row + rows; i++)
            {
                for (int j = row; j < i; j++)
                {
                    c[(j * ldc) + i] = c[(i * ldc) + j];
                }
            }
        }
    }
}
