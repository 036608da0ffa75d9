namespace KFac.Kernels.Cpu;

/// <summary>The dot products of corresponding rows: sixteen float64 sums a row, the same bits at any vector width.</summary>
internal static unsafe class CpuRowDot
{
    /// <summary><see cref="Reduction.RowDot"/>; a task takes a few rows.</summary>
    public static void Run(CpuDevice device, MatrixView<float> x, MatrixView<float> y, float alpha, VectorView<float> result)
    {
        var context = new Context(x, y, alpha, result.Pointer);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Rows<WideSums512>,
            VectorWidth.Avx2 => &Rows<WideSums256>,
            _ => &Rows<WideSums128>,
        };
        device.Workers.Run(RowTasks.Count(x.Rows, x.Columns), body, &context);
    }

    private static void Rows<TSums>(void* pointer, int task)
        where TSums : unmanaged, IWideSums<TSums>
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.RowCount, c.Columns);
        for (int row = first; row < end; row++)
        {
            c.Result[row] = (float)(c.Alpha * RowSums.Dot<TSums>(c.X(row), c.Y(row), c.Columns));
        }
    }

    private readonly struct Context(MatrixView<float> x, MatrixView<float> y, float alpha, float* result)
    {
        public readonly int RowCount = x.Rows;
        public readonly int Columns = x.Columns;
        public readonly double Alpha = alpha;
        public readonly float* Result = result;
        private readonly float* _x = x.Pointer;
        private readonly long _xStride = x.RowStride;
        private readonly float* _y = y.Pointer;
        private readonly long _yStride = y.RowStride;

        public float* X(int row) => _x + (row * _xStride);

        public float* Y(int row) => _y + (row * _yStride);
    }
}
