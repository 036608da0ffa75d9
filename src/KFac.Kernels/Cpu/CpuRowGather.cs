using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="RowGather"/> on the CPU.</summary>
/// <remarks>A task of the gather copies a few rows. The scatter sorts the rows by index first, equal ones in their order; a task then
/// adds up a few rows of the table, or a strip of them: no two tasks write one place, the order of a sum is that of the rows however
/// many threads there are, and the table is written once.</remarks>
internal sealed unsafe class CpuRowGather(CpuDevice device) : IRowGatherKernel
{
    /// <summary>Tasks that a large table's rows are cut into.</summary>
    private const int RowRanges = 64;

    /// <summary>Columns of a task; of a table with fewer rows than ranges the smaller number.</summary>
    private const int StripColumns = 512;
    private const int NarrowStripColumns = 64;

    public void Gather(MatrixView<float> table, VectorView<int> indices, MatrixView<float> y)
    {
        var context = new Context(y, table, indices, 0);
        device.Workers.Run(RowTasks.Count(y.Rows, y.Columns), &GatherRows, &context);
    }

    public void ScatterAdd(MatrixView<float> x, VectorView<int> indices, float beta, MatrixView<float> table)
    {
        using ScratchLease lease = device.Scratch.Rent(((long)table.Rows + 2 + indices.Length) * sizeof(int));
        var context = new Context(x, table, indices, beta) { Starts = lease.As<int>(), Order = lease.As<int>() + table.Rows + 2 };
        context.Sort();
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &AddRows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &AddRows<Simd256, Vector256<float>>,
            _ => &AddRows<Simd128, Vector128<float>>,
        };
        device.Workers.Run(context.Ranges * context.Strips, body, &context);
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

    private static void AddRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        int column = task % c.Strips * c.StripColumns;
        int end = Math.Min(column + c.StripColumns, c.Columns);
        int range = task / c.Strips;
        bool past = c.Beta == 0 && ElementLoop.GoesPast<TVector>(c.Entry(0), c.TableStride, c.TableRows, c.Columns);
        for (int v = c.FirstRow(range); v < c.FirstRow(range + 1); v++)
        {
            if (c.Beta == 1 && c.Starts[v] == c.Starts[v + 1])
            {
                continue;
            }

            float* entry = c.Entry(v);
            int j = column;
            for (; j + (4 * TSimd.Count) <= end; j += 4 * TSimd.Count)
            {
                AddFour<TSimd, TVector>(ref c, past, v, entry + j, j);
            }

            for (; j < end; j += TSimd.Count)
            {
                TVector sum = c.Beta == 0 ? TSimd.Zero : SimdPart<TSimd, TVector>.Load(entry + j, end - j);
                sum = c.Beta is 0 or 1 ? sum : TSimd.Multiply(TSimd.Create(c.Beta), sum);
                for (int k = c.Starts[v]; k < c.Starts[v + 1]; k++)
                {
                    sum = TSimd.Add(sum, SimdPart<TSimd, TVector>.Load(c.Row(c.Order[k]) + j, end - j));
                }

                SimdPart<TSimd, TVector>.Store(past, sum, entry + j, end - j);
            }
        }
    }

    private static void AddFour<TSimd, TVector>(ref Context c, bool past, int v, float* entry, int column)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        TVector s0 = TSimd.Zero, s1 = s0, s2 = s0, s3 = s0;
        if (c.Beta != 0)
        {
            (s0, s1) = (TSimd.Load(entry), TSimd.Load(entry + TSimd.Count));
            (s2, s3) = (TSimd.Load(entry + (2 * TSimd.Count)), TSimd.Load(entry + (3 * TSimd.Count)));
        }

        if (c.Beta is not (0 or 1))
        {
            TVector beta = TSimd.Create(c.Beta);
            (s0, s1, s2, s3) = (TSimd.Multiply(beta, s0), TSimd.Multiply(beta, s1), TSimd.Multiply(beta, s2), TSimd.Multiply(beta, s3));
        }

        for (int k = c.Starts[v]; k < c.Starts[v + 1]; k++)
        {
            float* x = c.Row(c.Order[k]) + column;
            s0 = TSimd.Add(s0, TSimd.Load(x));
            s1 = TSimd.Add(s1, TSimd.Load(x + TSimd.Count));
            s2 = TSimd.Add(s2, TSimd.Load(x + (2 * TSimd.Count)));
            s3 = TSimd.Add(s3, TSimd.Load(x + (3 * TSimd.Count)));
        }

        int whole = 4 * TSimd.Count;
        SimdPart<TSimd, TVector>.Store(past, s0, entry, whole);
        SimdPart<TSimd, TVector>.Store(past, s1, entry + TSimd.Count, whole);
        SimdPart<TSimd, TVector>.Store(past, s2, entry + (2 * TSimd.Count), whole);
        SimdPart<TSimd, TVector>.Store(past, s3, entry + (3 * TSimd.Count), whole);
    }

    private struct Context(MatrixView<float> rows, MatrixView<float> table, VectorView<int> indices, float beta)
    {
        public readonly int* Indices = indices.Pointer;
        public readonly int Rows = rows.Rows;
        public readonly int Columns = rows.Columns;
        public readonly int TableRows = table.Rows;
        public readonly long TableStride = table.RowStride;
        public readonly float Beta = beta;
        public readonly int StripColumns = table.Rows < RowRanges ? NarrowStripColumns : CpuRowGather.StripColumns;

        /// <summary>Where in <see cref="Order"/> the rows of an entry start, and at the next place end; one place more than that.</summary>
        public int* Starts;

        /// <summary>Rows, by index, then by number.</summary>
        public int* Order;
        private readonly float* _rows = rows.Pointer;
        private readonly long _rowStride = rows.RowStride;
        private readonly float* _table = table.Pointer;

        public readonly int Ranges => Math.Min(TableRows, RowRanges);

        public readonly int Strips => (Columns + StripColumns - 1) / StripColumns;

        public readonly int FirstRow(int range) => (int)((long)TableRows * range / Ranges);

        public readonly float* Row(int n) => _rows + (n * _rowStride);

        public readonly float* Entry(int v) => _table + (v * TableStride);

        /// <summary>By counting: rows with indices outside the table are left out.</summary>
        public readonly void Sort()
        {
            new Span<int>(Starts, TableRows + 2).Clear();
            for (int n = 0; n < Rows; n++)
            {
                if ((uint)Indices[n] < (uint)TableRows)
                {
                    Starts[Indices[n] + 2]++;
                }
            }

            for (int v = 0; v < TableRows; v++)
            {
                Starts[v + 2] += Starts[v + 1];
            }

            for (int n = 0; n < Rows; n++)
            {
                if ((uint)Indices[n] < (uint)TableRows)
                {
                    Order[Starts[Indices[n] + 1]++] = n;
                }
            }
        }
    }
}
