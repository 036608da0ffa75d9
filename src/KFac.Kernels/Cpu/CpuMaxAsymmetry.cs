namespace KFac.Kernels.Cpu;

/// <summary><see cref="Reduction.MaxAsymmetry"/> on the CPU: a task compares one row of blocks, up to the diagonal, with their
/// mirror images; both fit in the first-level cache.</summary>
internal static unsafe class CpuMaxAsymmetry
{
    private const int Block = 64;

    public static void Run(CpuDevice device, MatrixView<float> x, VectorView<double> result)
    {
        int blocks = (x.Rows + Block - 1) / Block;
        using ScratchLease lease = device.Scratch.Rent(blocks * sizeof(double));
        double* partial = lease.As<double>();
        var context = new Context(x, partial);
        device.Workers.Run(blocks, &BlockRow, &context);
        double maximum = 0;
        for (int i = 0; i < blocks; i++)
        {
            maximum = Math.Max(maximum, partial[i]);
        }

        *result.Pointer = maximum;
    }

    private static void BlockRow(void* pointer, int task)
    {
        ref Context c = ref *(Context*)pointer;
        int end = Math.Min((task + 1) * Block, c.Rows);
        double maximum = 0;
        for (int column = 0; column < end; column += Block)
        {
            for (int i = task * Block; i < end; i++)
            {
                float* row = c.X(i);
                int last = Math.Min(column + Block - 1, i);
                for (int j = column; j <= last; j++)
                {
                    maximum = Math.Max(maximum, Math.Abs((double)row[j] - c.X(j)[i]));
                }
            }
        }

        c.Partial[task] = maximum;
    }

    private readonly struct Context(MatrixView<float> x, double* partial)
    {
        public readonly double* Partial = partial;
        public readonly int Rows = x.Rows;
        private readonly float* _x = x.Pointer;
        private readonly long _xStride = x.RowStride;

        public float* X(long row) => _x + (row * _xStride);
    }
}
