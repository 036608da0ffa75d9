namespace KFac.Kernels.Cpu;

/// <summary><see cref="Permute"/> on the CPU: y is written row by row, a row being its last dimension, which x has with a stride.</summary>
internal sealed unsafe class CpuPermute(CpuDevice device) : IPermuteKernel
{
    public void Run(VectorView<float> x, PermutedDimensions dimensions, VectorView<float> y)
    {
        int columns = dimensions.Size(dimensions.Rank - 1);
        var context = new Context(x.Pointer, y.Pointer, dimensions, dimensions.Elements / columns, columns);
        device.Workers.Run(RowTasks.Count(context.Rows, columns), &CopyRows, &context);
    }

    private static void CopyRows(void* pointer, int task)
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        int stride = c.Dimensions.Stride(c.Dimensions.Rank - 1);
        for (int row = first; row < end; row++)
        {
            float* source = c.X + c.Start(row);
            float* destination = c.Y + ((long)row * c.Columns);
            if (stride == 1)
            {
                new ReadOnlySpan<float>(source, c.Columns).CopyTo(new Span<float>(destination, c.Columns));
                continue;
            }

            for (int j = 0; j < c.Columns; j++)
            {
                destination[j] = source[(long)j * stride];
            }
        }
    }

    private readonly struct Context(float* x, float* y, PermutedDimensions dimensions, int rows, int columns)
    {
        public readonly float* X = x;
        public readonly float* Y = y;
        public readonly PermutedDimensions Dimensions = dimensions;
        public readonly int Rows = rows;
        public readonly int Columns = columns;

        /// <summary>Where the first element of a row of y lies in x.</summary>
        public long Start(int row)
        {
            long start = 0;
            for (int d = Dimensions.Rank - 2; d >= 0; d--)
            {
                (row, int index) = Math.DivRem(row, Dimensions.Size(d));
                start += (long)index * Dimensions.Stride(d);
            }

            return start;
        }
    }
}
