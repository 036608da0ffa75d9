namespace KFac.Kernels.Cpu;

/// <summary><see cref="Gram"/> on the CPU: rows are reduced to a compact matrix first, and then only one triangle is computed.</summary>
/// <remarks>Reducing streams X once; the compact matrix has as many rows as there are examples and stays in the cache where
/// the batch is small. Many examples of few rows are reduced and multiplied block by block (<see cref="ReducedGram"/>). Without reduction X is read in place, and the column of ones is made while it is packed.</remarks>
internal sealed unsafe class CpuGram(CpuDevice device) : IGramKernel
{
    private readonly CpuSegmentReduce _reduction = new(device);

    public void Run(in GramArguments arguments)
    {
        int width = arguments.Gram.Columns;
        if (width == 0)
        {
            return;
        }

        MatrixView<float> x = arguments.X;
        if (arguments.Offsets is null && arguments.Sharing == 1)
        {
            var rows = new StridedMatrix(x.Pointer, x.RowStride, 1);
            Accumulate(arguments, new GramRows(rows, x.Rows, x.Columns, arguments.AppendOnes));
            return;
        }

        int segments = arguments.Offsets?.Segments ?? (x.Rows / arguments.Sharing);
        if (arguments.Alpha != 0 && ReducedGram.Suits(x.Rows, segments, width))
        {
            ReducedGram.Accumulate(device, arguments, segments);
            return;
        }

        using ScratchLease lease = device.Scratch.Rent((long)segments * width * sizeof(float));
        float* reduced = lease.As<float>();
        _reduction.Reduce(x, arguments.Sharing, arguments.Offsets, arguments.Scale, segments, reduced, width);
        if (arguments.AppendOnes)
        {
            ReduceOnes(arguments, segments, reduced + width - 1, width);
        }

        Accumulate(arguments, new GramRows(new StridedMatrix(reduced, width, 1), segments, width, false));
    }

    /// <summary><c>C ← α·XᵀX + β·C</c> in the way that suits the shape of X.</summary>
    public static void Accumulate(CpuDevice device, GramRows rows, float alpha, float beta, float* c, long ldc)
    {
        if (alpha != 0 && FlatGram.Suits(rows))
        {
            FlatGram.Accumulate(device, rows, alpha, beta, c, ldc);
        }
        else
        {
            GramCore.Accumulate(device, rows, alpha, beta, c, ldc);
        }
    }

    private void Accumulate(in GramArguments arguments, GramRows rows) =>
        Accumulate(device, rows, arguments.Alpha, arguments.Beta, arguments.Gram.Pointer, arguments.Gram.RowStride);

    /// <summary>What the reduction makes of a column of ones.</summary>
    private static void ReduceOnes(in GramArguments arguments, int segments, float* column, int stride)
    {
        for (int n = 0; n < segments; n++)
        {
            int rows = arguments.Offsets is { } offsets ? offsets.Host[n + 1] - offsets.Host[n] : arguments.Sharing;
            *column = CpuSegmentReduce.Factor(arguments.Scale, rows) * rows;
            column += stride;
        }
    }
}
