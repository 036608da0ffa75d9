using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="SparseMaximum"/> on the CPU: a few output rows a task, a vector of columns at a time stays in registers
/// while the row's entries go by.</summary>
/// <remarks>Winners are compared as bits. The backward pass gathers along the transposed matrix, so no two tasks write one row.</remarks>
internal sealed unsafe class CpuSparseMaximum(CpuDevice device) : ISparseMaximumKernel
{
    public void Forward(SparseMatrix s, MatrixView<float> x, MatrixView<float> y, MatrixView<int> winners)
    {
        var context = new Context(s, x, winners, y, 0);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &ForwardRows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &ForwardRows<Simd256, Vector256<float>>,
            _ => &ForwardRows<Simd128, Vector128<float>>,
        };
        device.Workers.Run(RowTasks.Count(y.Rows, y.Columns), body, &context);
    }

    public void Backward(
        SparseMatrix transposed, MatrixView<int> winners, MatrixView<float> outputGradient, float beta, MatrixView<float> inputGradient)
    {
        var context = new Context(transposed, outputGradient, winners, inputGradient, beta);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &BackwardRows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &BackwardRows<Simd256, Vector256<float>>,
            _ => &BackwardRows<Simd128, Vector128<float>>,
        };
        device.Workers.Run(RowTasks.Count(inputGradient.Rows, inputGradient.Columns), body, &context);
    }

    private static void ForwardRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.OutputRows, c.Columns);
        for (int row = first; row < end; row++)
        {
            for (int j = 0; j < c.Columns; j += TSimd.Count)
            {
                Largest<TSimd, TVector>(c, row, j, Math.Min(TSimd.Count, c.Columns - j));
            }
        }
    }

    private static void Largest<TSimd, TVector>(in Context c, int row, int column, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector best = TSimd.Zero;
        TVector winner = TSimd.CreateBits(SparseMaximum.None);
        int end = c.Offsets[row + 1];
        for (int entry = c.Offsets[row]; entry < end; entry++)
        {
            int index = c.Indices[entry];
            TVector value = TSimd.LoadPartial(c.Input(index) + column, count);
            TVector isLarger = entry == c.Offsets[row] ? TSimd.CreateBits(-1) : TSimd.Less(best, value);
            TVector isNew = TSimd.Select(TSimd.IsNaN(best), TSimd.Zero, TSimd.Select(TSimd.IsNaN(value), TSimd.CreateBits(-1), isLarger));
            best = TSimd.Select(isNew, value, best);
            winner = TSimd.Select(isNew, TSimd.CreateBits(index), winner);
        }

        TSimd.StorePartial(best, c.Output(row) + column, count);
        TSimd.StorePartial(winner, c.Winner(row) + column, count);
    }

    private static void BackwardRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.OutputRows, c.Columns);
        for (int row = first; row < end; row++)
        {
            for (int j = 0; j < c.Columns; j += TSimd.Count)
            {
                Collect<TSimd, TVector>(c, row, j, Math.Min(TSimd.Count, c.Columns - j));
            }
        }
    }

    private static void Collect<TSimd, TVector>(in Context c, int row, int column, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int own = row % c.MatrixRows;
        int block = row / c.MatrixRows * c.MatrixColumns;
        TVector self = TSimd.CreateBits(own);
        TVector sum = TSimd.Zero;
        int end = c.Offsets[own + 1];
        for (int entry = c.Offsets[own]; entry < end; entry++)
        {
            int index = c.Indices[entry];
            TVector difference = TSimd.FromInteger(TSimd.Xor(self, TSimd.LoadPartial(c.Winner(index) + column, count)));
            TVector isOther = TSimd.Less(TSimd.Zero, TSimd.Abs(difference));
            TVector gradient = TSimd.LoadPartial(c.Input(block + index) + column, count);
            sum = TSimd.Add(sum, TSimd.Select(isOther, TSimd.Zero, gradient));
        }

        float* destination = c.Output(row) + column;
        if (c.Beta != 0)
        {
            sum = TSimd.MultiplyAdd(TSimd.Create(c.Beta), TSimd.LoadPartial(destination, count), sum);
        }

        TSimd.StorePartial(sum, destination, count);
    }

    private readonly struct Context(SparseMatrix s, MatrixView<float> input, MatrixView<int> winners, MatrixView<float> output, float beta)
    {
        public readonly int* Offsets = s.Offsets.Pointer;
        public readonly int* Indices = s.Indices.Pointer;
        public readonly int MatrixRows = s.Rows;
        public readonly int MatrixColumns = s.Columns;
        public readonly int OutputRows = output.Rows;
        public readonly int Columns = output.Columns;
        public readonly float Beta = beta;
        private readonly float* _input = input.Pointer;
        private readonly long _inputStride = input.RowStride;
        private readonly float* _winners = (float*)winners.Pointer;
        private readonly long _winnerStride = winners.RowStride;
        private readonly float* _output = output.Pointer;
        private readonly long _outputStride = output.RowStride;

        public float* Input(int row) => _input + (row * _inputStride);

        public float* Winner(int row) => _winners + (row * _winnerStride);

        public float* Output(int row) => _output + (row * _outputStride);
    }
}
