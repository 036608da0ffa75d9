using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="SparseProduct"/> on the CPU: a few output rows a task; four vectors of columns stay in registers while
/// the row's entries go by.</summary>
internal sealed unsafe class CpuSparseProduct(CpuDevice device) : ISparseProductKernel
{
    private const int Unroll = 4;

    public void Run(float alpha, SparseMatrix s, MatrixView<float> x, float beta, MatrixView<float> y)
    {
        var context = new Context(alpha, s, x, beta, y);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &Rows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &Rows<Simd256, Vector256<float>>,
            _ => &Rows<Simd128, Vector128<float>>,
        };
        device.Workers.Run(RowTasks.Count(y.Rows, y.Columns), body, &context);
    }

    private static void Rows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.OutputRows, c.Columns);
        for (int row = first; row < end; row++)
        {
            int j = 0;
            for (; j + (Unroll * TSimd.Count) <= c.Columns; j += Unroll * TSimd.Count)
            {
                Four<TSimd, TVector>(c, row, j);
            }

            for (; j < c.Columns; j += TSimd.Count)
            {
                One<TSimd, TVector>(c, row, j, Math.Min(TSimd.Count, c.Columns - j));
            }
        }
    }

    private static void Four<TSimd, TVector>(in Context c, int row, int column)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector sum0 = TSimd.Zero;
        TVector sum1 = TSimd.Zero;
        TVector sum2 = TSimd.Zero;
        TVector sum3 = TSimd.Zero;
        float* block = c.Block(row) + column;
        (int entry, int end) = c.Entries(row);
        for (; entry < end; entry++)
        {
            TVector value = TSimd.Create(c.Values[entry]);
            float* x = block + (c.Indices[entry] * c.InputStride);
            sum0 = TSimd.MultiplyAdd(value, TSimd.Load(x), sum0);
            sum1 = TSimd.MultiplyAdd(value, TSimd.Load(x + TSimd.Count), sum1);
            sum2 = TSimd.MultiplyAdd(value, TSimd.Load(x + (2 * TSimd.Count)), sum2);
            sum3 = TSimd.MultiplyAdd(value, TSimd.Load(x + (3 * TSimd.Count)), sum3);
        }

        float* y = c.Output(row) + column;
        Write<TSimd, TVector>(c, sum0, y, TSimd.Count);
        Write<TSimd, TVector>(c, sum1, y + TSimd.Count, TSimd.Count);
        Write<TSimd, TVector>(c, sum2, y + (2 * TSimd.Count), TSimd.Count);
        Write<TSimd, TVector>(c, sum3, y + (3 * TSimd.Count), TSimd.Count);
    }

    private static void One<TSimd, TVector>(in Context c, int row, int column, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector sum = TSimd.Zero;
        float* block = c.Block(row) + column;
        (int entry, int end) = c.Entries(row);
        for (; entry < end; entry++)
        {
            float* x = block + (c.Indices[entry] * c.InputStride);
            sum = TSimd.MultiplyAdd(TSimd.Create(c.Values[entry]), TSimd.LoadPartial(x, count), sum);
        }

        Write<TSimd, TVector>(c, sum, c.Output(row) + column, count);
    }

    private static void Write<TSimd, TVector>(in Context c, TVector sum, float* y, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector scaled = TSimd.Multiply(TSimd.Create(c.Alpha), sum);
        if (c.Beta != 0)
        {
            scaled = TSimd.MultiplyAdd(TSimd.Create(c.Beta), TSimd.LoadPartial(y, count), scaled);
        }

        TSimd.StorePartial(scaled, y, count);
    }

    private readonly struct Context(float alpha, SparseMatrix s, MatrixView<float> x, float beta, MatrixView<float> y)
    {
        public readonly float Alpha = alpha;
        public readonly float Beta = beta;
        public readonly int* Indices = s.Indices.Pointer;
        public readonly float* Values = s.Values.Pointer;
        public readonly int OutputRows = y.Rows;
        public readonly int Columns = y.Columns;
        public readonly long InputStride = x.RowStride;
        private readonly int* _offsets = s.Offsets.Pointer;
        private readonly int _rows = s.Rows;
        private readonly int _columns = s.Columns;
        private readonly float* _x = x.Pointer;
        private readonly float* _y = y.Pointer;
        private readonly long _outputStride = y.RowStride;

        /// <summary>The first row of the block of X that an output row sums over.</summary>
        public float* Block(int row) => _x + (row / _rows * _columns * InputStride);

        public float* Output(int row) => _y + (row * _outputStride);

        public (int First, int End) Entries(int row) => (_offsets[row % _rows], _offsets[(row % _rows) + 1]);
    }
}
