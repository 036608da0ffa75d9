namespace KFac.Kernels.Cpu;

/// <summary><see cref="SegmentReduce"/> on the CPU: tasks take ranges of examples.</summary>
internal sealed unsafe class CpuSegmentReduce(CpuDevice device) : ISegmentReduceKernel
{
    public void Reduce(MatrixView<float> x, int sharing, SegmentOffsets? offsets, SharingScale scale, MatrixView<float> y)
    {
        ReduceInto(x, sharing, offsets, scale, y.Rows, y.Pointer, y.RowStride);
        _ = device;
    }

    public static void ReduceInto(
        MatrixView<float> x, int sharing, SegmentOffsets? offsets, SharingScale scale, int segments, float* y, long ldy)
    {
        for (int n = 0; n < segments; n++)
        {
            int start = offsets is null ? n * sharing : offsets.Host[n];
            int count = offsets is null ? sharing : offsets.Host[n + 1] - start;
            var sum = new Span<float>(y + (n * ldy), x.Columns);
            sum.Clear();
            for (int row = start; row < start + count; row++)
            {
                float* values = x.Pointer + ((long)row * x.RowStride);
                for (int j = 0; j < sum.Length; j++)
                {
                    sum[j] += values[j];
                }
            }

            foreach (ref float value in sum)
            {
                value *= ScaleOf(scale, count);
            }
        }
    }

    public void Spread(MatrixView<float> y, int sharing, SharingScale scale, MatrixView<float> x)
    {
        float factor = ScaleOf(scale, sharing);
        for (int row = 0; row < x.Rows; row++)
        {
            float* source = y.Pointer + ((long)(row / sharing) * y.RowStride);
            float* destination = x.Pointer + ((long)row * x.RowStride);
            for (int j = 0; j < x.Columns; j++)
            {
                destination[j] = factor * source[j];
            }
        }
    }

    public static float ScaleOf(SharingScale scale, int rows) => rows == 0 ? 0 : scale switch
    {
        SharingScale.Mean => 1f / rows,
        SharingScale.Sum => 1f,
        _ => (float)(1 / Math.Sqrt(rows)),
    };
}
