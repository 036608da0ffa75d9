using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="RowGather"/> on the CPU.</summary>
/// <remarks>A task of the gather copies a few rows. One of the scatter owns a strip of columns of the table and walks over all
/// rows in order: no two tasks write one place, and the order of a sum is that of the rows, however many threads there are.</remarks>
internal sealed unsafe class CpuRowGather(CpuDevice device) : IRowGatherKernel
{
    /// <summary>Columns of a strip: two cache lines, so that neighbours share none where rows start at one.</summary>
    private const int StripColumns = 32;

    public void Gather(MatrixView<float> table, VectorView<int> indices, MatrixView<float> y)
    {
        var context = new Context(y, table, indices, 0);
        device.Workers.Run(RowTasks.Count(y.Rows, y.Columns), &GatherRows, &context);
    }

    public void ScatterAdd(MatrixView<float> x, VectorView<int> indices, float beta, MatrixView<float> table)
    {
        var context = new Context(x, table, indices, beta);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &ScatterStrip<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &ScatterStrip<Simd256, Vector256<float>>,
            _ => &ScatterStrip<Simd128, Vector128<float>>,
        };
        device.Workers.Run((table.Columns + StripColumns - 1) / StripColumns, body, &context);
    }

    private static void GatherRows(void* pointer, int task)
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        for (int n = first; n < end; n++)
        {
            int index = c.Indices[n];
            var destination = new Span<float>(c.Row(n), c.Columns);
            if ((uint)index < (uint)c.TableRows)
            {
                new ReadOnlySpan<float>(c.Entry(index), c.Columns).CopyTo(destination);
            }
            else
            {
                destination.Fill(index == RowGather.None ? 0f : float.NaN);
            }
        }
    }

    private static void ScatterStrip<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        int column = task * StripColumns;
        int width = Math.Min(StripColumns, c.Columns - column);
        for (int v = 0; c.Beta != 1 && v < c.TableRows; v++)
        {
            float* entry = c.Entry(v) + column;
            if (c.Beta == 0)
            {
                new Span<float>(entry, width).Clear();
            }
            else
            {
                SimdRow<TSimd, TVector>.Scale(entry, c.Beta, entry, width);
            }
        }

        for (int n = 0; n < c.Rows; n++)
        {
            int index = c.Indices[n];
            if ((uint)index < (uint)c.TableRows)
            {
                Add<TSimd, TVector>(c.Row(n) + column, c.Entry(index) + column, width);
            }
        }
    }

    private static void Add<TSimd, TVector>(float* x, float* y, int count)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int i = 0;
        for (; i + TSimd.Count <= count; i += TSimd.Count)
        {
            TSimd.Store(TSimd.Add(TSimd.Load(y + i), TSimd.Load(x + i)), y + i);
        }

        if (i < count)
        {
            TSimd.StorePartial(TSimd.Add(TSimd.LoadPartial(y + i, count - i), TSimd.LoadPartial(x + i, count - i)), y + i, count - i);
        }
    }

    private readonly struct Context(MatrixView<float> rows, MatrixView<float> table, VectorView<int> indices, float beta)
    {
        public readonly int* Indices = indices.Pointer;
        public readonly int Rows = rows.Rows;
        public readonly int Columns = rows.Columns;
        public readonly int TableRows = table.Rows;
        public readonly float Beta = beta;
        private readonly float* _rows = rows.Pointer;
        private readonly long _rowStride = rows.RowStride;
        private readonly float* _table = table.Pointer;
        private readonly long _tableStride = table.RowStride;

        public float* Row(int n) => _rows + (n * _rowStride);

        public float* Entry(int v) => _table + (v * _tableStride);
    }
}
