namespace KFac.Kernels.Cpu;

/// <summary><see cref="SoftmaxCrossEntropy"/> on the CPU.</summary>
internal sealed unsafe class CpuSoftmaxCrossEntropy : ISoftmaxCrossEntropyKernel
{
    private const int Masked = -1;

    public void Forward(MatrixView<float> logits, VectorView<int> labels, MatrixView<float> probabilities, VectorView<float> losses)
    {
        for (int i = 0; i < logits.Rows; i++)
        {
            float* z = logits.Pointer + ((long)i * logits.RowStride);
            float* p = probabilities.Pointer + ((long)i * probabilities.RowStride);
            int label = labels.Pointer[i];
            float maximum = float.NegativeInfinity;
            for (int c = 0; c < logits.Columns; c++)
            {
                maximum = MathF.Max(maximum, z[c]);
            }

            float atLabel = label == Masked ? 0 : z[label];
            float sum = 0;
            for (int c = 0; c < logits.Columns; c++)
            {
                p[c] = MathF.Exp(z[c] - maximum);
                sum += p[c];
            }

            for (int c = 0; c < logits.Columns; c++)
            {
                p[c] /= sum;
            }

            losses.Pointer[i] = label == Masked ? 0 : MathF.Log(sum) + (maximum - atLabel);
        }
    }

    public void Gradient(MatrixView<float> probabilities, VectorView<int> labels, float scale, MatrixView<float> gradient)
    {
        for (int i = 0; i < gradient.Rows; i++)
        {
            float* p = probabilities.Pointer + ((long)i * probabilities.RowStride);
            float* g = gradient.Pointer + ((long)i * gradient.RowStride);
            int label = labels.Pointer[i];
            for (int c = 0; c < gradient.Columns; c++)
            {
                g[c] = label == Masked ? 0 : scale * (p[c] - (c == label ? 1 : 0));
            }
        }
    }

    public void Sample(MatrixView<float> probabilities, VectorView<int> labels, PhiloxKey key, ulong offset, VectorView<int> sampled)
    {
        for (int i = 0; i < probabilities.Rows; i++)
        {
            float* p = probabilities.Pointer + ((long)i * probabilities.RowStride);
            float u = PhiloxBlock.Uniform(PhiloxBlock.At(key, offset + (ulong)i).Word0);
            int drawn = 0;
            float sum = p[0];
            while (!(u < sum) && drawn < probabilities.Columns - 1)
            {
                drawn++;
                sum += p[drawn];
            }

            sampled.Pointer[i] = labels.Pointer[i] == Masked ? Masked : drawn;
        }
    }

    public void HessianRoot(MatrixView<float> probabilities, VectorView<int> labels, int firstColumn, MatrixView<float> columns)
    {
        for (int row = 0; row < columns.Rows; row++)
        {
            int i = row % probabilities.Rows;
            int column = firstColumn + (row / probabilities.Rows);
            float* p = probabilities.Pointer + ((long)i * probabilities.RowStride);
            float* s = columns.Pointer + ((long)row * columns.RowStride);
            float root = MathF.Sqrt(p[column]);
            for (int c = 0; c < columns.Columns; c++)
            {
                s[c] = labels.Pointer[i] == Masked ? 0 : root * ((c == column ? 1 : 0) - p[c]);
            }
        }
    }
}
