namespace KFac.Kernels.Cpu;

/// <summary>Products of matrices that lie in <see cref="HeadMemory"/>: whole register tiles, and copies between it and the operands.</summary>
internal static unsafe class HeadProduct<TTile, TSimd, TVector>
    where TTile : struct, IGemmTile
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int MostVectors = 3;

    /// <summary><c>C ← α·AB</c> for as many rows as a tile has.</summary>
    /// <param name="columns">Columns of B and C, computed up to whole vectors.</param>
    /// <param name="a">Rows of <paramref name="k"/> elements.</param>
    public static void OfRows(int columns, int k, float alpha, float* a, int strideA, float* b, int strideB, float* c, int strideC)
    {
        for (int vectors = VectorsOf(columns); vectors > 0;)
        {
            int taken = Taken(vectors);
            TTile.MultiplyRows(TTile.Rows, taken, k, a, strideA, b, strideB, alpha, 0, c, strideC);
            vectors -= taken;
            b += taken * TSimd.Count;
            c += taken * TSimd.Count;
        }
    }

    /// <summary><c>C ← AᵀB</c> for as many columns of A as a tile has rows.</summary>
    /// <param name="a"><paramref name="k"/> rows.</param>
    /// <inheritdoc cref="OfRows"/>
    public static void OfColumns(int columns, int k, float* a, int strideA, float* b, int strideB, float* c, int strideC)
    {
        for (int vectors = VectorsOf(columns); vectors > 0;)
        {
            int taken = Taken(vectors);
            TTile.MultiplyPart(TTile.Rows, taken, k, a, strideA, b, strideB, 1, 0, c, strideC);
            vectors -= taken;
            b += taken * TSimd.Count;
            c += taken * TSimd.Count;
        }
    }

    /// <summary>Copies rows, with zeros behind each up to a whole vector.</summary>
    public static void Copy(StridedMatrix source, int rows, int columns, float* destination, int stride)
    {
        for (int i = 0; i < rows; i++)
        {
            float* from = source.At(i, 0);
            float* to = destination + ((long)i * stride);
            for (int j = 0; j < columns; j += TSimd.Count)
            {
                TSimd.Store(SimdPart<TSimd, TVector>.Load(from + j, columns - j), to + j);
            }
        }
    }

    /// <summary>Copies rows to columns, with zeros behind the last up to a whole vector.</summary>
    public static void CopyTransposed(StridedMatrix source, int rows, int columns, float* destination, int stride)
    {
        PanelTranspose<TSimd, TVector>.Run(destination, stride, columns, rows, source.Transposed);
        int behind = (VectorsOf(rows) * TSimd.Count) - rows;
        for (int p = 0; behind > 0 && p < columns; p++)
        {
            new Span<float>(destination + ((long)p * stride) + rows, behind).Clear();
        }
    }

    /// <summary><c>C ← results + β·C</c>; C is not read where β is 0.</summary>
    public static void Write(float* results, int stride, int rows, int columns, float beta, StridedMatrix c)
    {
        TVector factor = TSimd.Create(beta);
        for (int i = 0; i < rows; i++)
        {
            float* from = results + ((long)i * stride);
            float* to = c.At(i, 0);
            for (int j = 0; j < columns; j += TSimd.Count)
            {
                TVector value = TSimd.Load(from + j);
                if (beta != 0)
                {
                    value = TSimd.MultiplyAdd(factor, SimdPart<TSimd, TVector>.Load(to + j, columns - j), value);
                }

                SimdPart<TSimd, TVector>.Store(value, to + j, columns - j);
            }
        }
    }

    public static int VectorsOf(int columns) => (columns + TSimd.Count - 1) / TSimd.Count;

    /// <summary>Four vectors are two tiles of two: a tile of one hardly hides the latency of its sums.</summary>
    private static int Taken(int vectors) => vectors == MostVectors + 1 ? 2 : Math.Min(MostVectors, vectors);
}
