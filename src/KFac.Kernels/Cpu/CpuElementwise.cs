namespace KFac.Kernels.Cpu;

/// <summary><see cref="Elementwise"/> on the CPU.</summary>
internal sealed unsafe class CpuElementwise : IElementwiseKernel
{
    public void Fill(float value, MatrixView<float> y)
    {
        for (int i = 0; i < y.Rows; i++)
        {
            new Span<float>(y.Pointer + ((long)i * y.RowStride), y.Columns).Fill(value);
        }
    }

    public void Copy(MatrixView<float> x, MatrixView<float> y)
    {
        for (int i = 0; i < y.Rows; i++)
        {
            new ReadOnlySpan<float>(x.Pointer + ((long)i * x.RowStride), x.Columns)
                .CopyTo(new Span<float>(y.Pointer + ((long)i * y.RowStride), y.Columns));
        }
    }

    public void Axpby(float alpha, MatrixView<float> x, float beta, MatrixView<float> y)
    {
        for (int i = 0; i < y.Rows; i++)
        {
            float* from = x.Pointer + ((long)i * x.RowStride);
            float* to = y.Pointer + ((long)i * y.RowStride);
            for (int j = 0; j < y.Columns; j++)
            {
                to[j] = beta == 0 ? alpha * from[j] : (alpha * from[j]) + (beta * to[j]);
            }
        }
    }

    public void AddRow(VectorView<float> row, MatrixView<float> y)
    {
        for (int i = 0; i < y.Rows; i++)
        {
            float* to = y.Pointer + ((long)i * y.RowStride);
            for (int j = 0; j < y.Columns; j++)
            {
                to[j] += row.Pointer[j];
            }
        }
    }

    public void KroneckerDivide(MatrixView<float> v, VectorView<float> b, VectorView<float> a, float damping, MatrixView<float> u)
    {
        for (int i = 0; i < u.Rows; i++)
        {
            float* from = v.Pointer + ((long)i * v.RowStride);
            float* to = u.Pointer + ((long)i * u.RowStride);
            for (int j = 0; j < u.Columns; j++)
            {
                to[j] = from[j] / ((b.Pointer[i] * a.Pointer[j]) + damping);
            }
        }
    }
}
