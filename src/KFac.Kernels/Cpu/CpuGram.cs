namespace KFac.Kernels.Cpu;

/// <summary><see cref="Gram"/> on the CPU.</summary>
internal sealed unsafe class CpuGram(CpuDevice device) : IGramKernel
{
    public void Run(in GramArguments arguments)
    {
        int width = arguments.Gram.Columns;
        int rows = arguments.Offsets?.Segments ?? (arguments.X.Rows / arguments.Sharing);
        using ScratchLease lease = device.Scratch.Rent((long)rows * width * sizeof(float));
        float* reduced = lease.As<float>();
        CpuSegmentReduce.ReduceInto(arguments.X, arguments.Sharing, arguments.Offsets, arguments.Scale, rows, reduced, width);
        if (arguments.AppendOnes)
        {
            for (int n = 0; n < rows; n++)
            {
                int count = arguments.Offsets is { } offsets ? offsets.Host[n + 1] - offsets.Host[n] : arguments.Sharing;
                reduced[((long)n * width) + width - 1] = CpuSegmentReduce.ScaleOf(arguments.Scale, count) * count;
            }
        }

        var x = new StridedMatrix(reduced, width, 1);
        float* gram = arguments.Gram.Pointer;
        long stride = arguments.Gram.RowStride;
        GemmCore.MultiplyParallel(device, width, width, rows, arguments.Alpha, x.Transposed, x, arguments.Beta, gram, stride);
        for (int i = 0; i < width; i++)
        {
            for (int j = 0; j < i; j++)
            {
                gram[(j * stride) + i] = gram[(i * stride) + j];
            }
        }
    }
}
