namespace KFac.Kernels.Cpu;

/// <summary><see cref="BernoulliCrossEntropy"/> on the CPU.</summary>
internal sealed unsafe class CpuBernoulliCrossEntropy : IBernoulliCrossEntropyKernel
{
    public void Forward(MatrixView<float> logits, MatrixView<float> targets, MatrixView<float> probabilities, VectorView<float> losses)
    {
        for (int i = 0; i < logits.Rows; i++)
        {
            float* z = logits.Pointer + ((long)i * logits.RowStride);
            float* t = targets.Pointer + ((long)i * targets.RowStride);
            float* p = probabilities.Pointer + ((long)i * probabilities.RowStride);
            double loss = 0;
            for (int c = 0; c < logits.Columns; c++)
            {
                float logit = z[c];
                float tail = MathF.Exp(-MathF.Abs(logit));
                p[c] = (logit >= 0 ? 1 : tail) / (1 + tail);
                loss += float.IsNaN(t[c]) ? 0 : MathF.Max(logit, 0) - (logit * t[c]) + MathF.Log(1 + tail);
            }

            losses.Pointer[i] = (float)loss;
        }
    }

    public void Gradient(MatrixView<float> probabilities, MatrixView<float> targets, float scale, MatrixView<float> gradient)
    {
        for (int i = 0; i < gradient.Rows; i++)
        {
            float* p = probabilities.Pointer + ((long)i * probabilities.RowStride);
            float* t = targets.Pointer + ((long)i * targets.RowStride);
            float* g = gradient.Pointer + ((long)i * gradient.RowStride);
            for (int c = 0; c < gradient.Columns; c++)
            {
                g[c] = float.IsNaN(t[c]) ? 0 : scale * (p[c] - t[c]);
            }
        }
    }

    public void Sample(MatrixView<float> probabilities, MatrixView<float> targets, PhiloxKey key, ulong offset, MatrixView<float> sampled)
    {
        for (int i = 0; i < sampled.Rows; i++)
        {
            float* p = probabilities.Pointer + ((long)i * probabilities.RowStride);
            float* t = targets.Pointer + ((long)i * targets.RowStride);
            float* s = sampled.Pointer + ((long)i * sampled.RowStride);
            for (int c = 0; c < sampled.Columns; c++)
            {
                ulong number = offset + ((ulong)i * (ulong)sampled.Columns) + (ulong)c;
                float u = PhiloxBlock.Uniform(PhiloxBlock.At(key, number / 4).Word((int)(number % 4)));
                s[c] = float.IsNaN(t[c]) ? t[c] : u < p[c] ? 1 : 0;
            }
        }
    }

    public void HessianRoot(MatrixView<float> probabilities, MatrixView<float> targets, int firstColumn, MatrixView<float> columns)
    {
        for (int row = 0; row < columns.Rows; row++)
        {
            int i = row % probabilities.Rows;
            int column = firstColumn + (row / probabilities.Rows);
            float p = probabilities.Pointer[((long)i * probabilities.RowStride) + column];
            float t = targets.Pointer[((long)i * targets.RowStride) + column];
            float* s = columns.Pointer + ((long)row * columns.RowStride);
            new Span<float>(s, columns.Columns).Clear();
            s[column] = float.IsNaN(t) ? 0 : MathF.Sqrt(p * (1 - p));
        }
    }
}
