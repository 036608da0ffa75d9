namespace KFac.Kernels.Cpu;

/// <summary><see cref="Reduction"/> on the CPU.</summary>
internal sealed unsafe class CpuReduction : IReductionKernel
{
    public void Sum(MatrixView<float> x, VectorView<double> result)
    {
        double sum = 0;
        for (int i = 0; i < x.Rows; i++)
        {
            for (int j = 0; j < x.Columns; j++)
            {
                sum += At(x, i, j);
            }
        }

        *result.Pointer = sum;
    }

    public void Dot(MatrixView<float> x, MatrixView<float> y, VectorView<double> result)
    {
        double sum = 0;
        for (int i = 0; i < x.Rows; i++)
        {
            for (int j = 0; j < x.Columns; j++)
            {
                sum += (double)At(x, i, j) * At(y, i, j);
            }
        }

        *result.Pointer = sum;
    }

    public void Trace(MatrixView<float> x, VectorView<double> result)
    {
        double sum = 0;
        for (int i = 0; i < x.Rows; i++)
        {
            sum += At(x, i, i);
        }

        *result.Pointer = sum;
    }

    public void MaxAsymmetry(MatrixView<float> x, VectorView<double> result)
    {
        double maximum = 0;
        for (int i = 0; i < x.Rows; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                maximum = Math.Max(maximum, Math.Abs((double)At(x, i, j) - At(x, j, i)));
            }
        }

        *result.Pointer = maximum;
    }

    public void ColumnSum(MatrixView<float> x, float alpha, float beta, VectorView<float> row)
    {
        for (int j = 0; j < x.Columns; j++)
        {
            double sum = 0;
            for (int i = 0; i < x.Rows; i++)
            {
                sum += At(x, i, j);
            }

            row.Pointer[j] = (float)((alpha * sum) + (beta == 0 ? 0 : (double)beta * row.Pointer[j]));
        }
    }

    public void FirstNonFinite(MatrixView<float> x, VectorView<long> result)
    {
        *result.Pointer = Reduction.None;
        for (int i = 0; i < x.Rows; i++)
        {
            for (int j = 0; j < x.Columns; j++)
            {
                if (!float.IsFinite(At(x, i, j)))
                {
                    *result.Pointer = ((long)i * x.Columns) + j;
                    return;
                }
            }
        }
    }

    public void CountCorrect(MatrixView<float> scores, VectorView<int> labels, VectorView<long> result)
    {
        long correct = 0;
        for (int i = 0; i < scores.Rows; i++)
        {
            int best = 0;
            for (int c = 1; c < scores.Columns; c++)
            {
                best = At(scores, i, c) > At(scores, i, best) ? c : best;
            }

            correct += labels.Pointer[i] == best ? 1 : 0;
        }

        *result.Pointer = correct;
    }

    private static float At(MatrixView<float> x, int row, int column) => x.Pointer[((long)row * x.RowStride) + column];
}
