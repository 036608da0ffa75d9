using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="RowGather"/> on the CPU.</summary>
/// <remarks>
/// A task of the gather copies a few rows. The scatter sorts the rows by index first, equal ones in their order; a task then
/// adds up some rows of the table, or a strip of them: no two tasks write one place, the order of a sum is that of the rows however
/// many threads there are, and the table is written once. Tasks have about as many rows to read and to write each, whichever
/// indices are frequent.
/// Rows in random order are pages that the processor cannot foresee, so the next ones are fetched by hand while one is copied or added.
/// With stores past the caches that took the gather of 16384 rows of 4 KiB from 60% of the rate of a plain copy to 87% (Zen 5); either of the
/// two alone gains little.
/// </remarks>
internal sealed unsafe class CpuRowGather(CpuDevice device) : IRowGatherKernel
{
    /// <summary>Tasks that a large table's rows are cut into.</summary>
    private const int RowRanges = 64;

    /// <summary>Columns of a task; the smaller number where a single row of the table has more than a task's share of the work.</summary>
    private const int StripColumns = 1024;
    private const int NarrowStripColumns = 64;

    public void Gather(MatrixView<float> table, VectorView<int> indices, MatrixView<float> y)
    {
        var context = new Context(y, table, indices, 0);
        delegate*<void*, int, void> body = device.Vectors switch
        {
            VectorWidth.Avx512 => &GatherRows<Simd512, Vector512<float>>,
            VectorWidth.Avx2 => &GatherRows<Simd256, Vector256<float>>,
            _ => &GatherRows<Simd128, Vector128<float>>,
        };
        device.Workers.Run(RowTasks.Count(y.Rows, y.Columns), body, &context);
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

    private static void GatherRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        (int first, int end) = RowTasks.Rows(task, c.Rows, c.Columns);
        int rowsAhead = RowTasks.RowsAhead(c.Columns);
        bool past = ElementLoop.GoesPast<TVector>(c.Row(0), c.RowStride, c.Rows, c.Columns);
        for (int n = first; n < end; n++)
        {
            int index = c.Indices[n];
            if ((uint)index < (uint)c.TableRows)
            {
                int ahead = c.Indices[Math.Min(n + rowsAhead, c.Rows - 1)];
                float* next = c.Entry((uint)ahead < (uint)c.TableRows ? ahead : index);
                CopyRow<TSimd, TVector>(past, c.Entry(index), next, c.Row(n), c.Columns);
            }
            else
            {
                new Span<float>(c.Row(n), c.Columns).Fill(index == RowGather.None ? 0f : float.NaN);
            }
        }
    }

    private static void CopyRow<TSimd, TVector>(bool past, float* source, float* next, float* destination, int columns)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int j = 0;
        for (; j + (4 * TSimd.Count) <= columns; j += 4 * TSimd.Count)
        {
            CacheLine.Fetch(next + j, 4 * TSimd.Count);
            TVector v0 = TSimd.Load(source + j), v1 = TSimd.Load(source + j + TSimd.Count);
            TVector v2 = TSimd.Load(source + j + (2 * TSimd.Count)), v3 = TSimd.Load(source + j + (3 * TSimd.Count));
            SimdPart<TSimd, TVector>.StoreFour(past, v0, v1, v2, v3, destination + j);
        }

        for (; j < columns; j += TSimd.Count)
        {
            SimdPart<TSimd, TVector>.Store(SimdPart<TSimd, TVector>.Load(source + j, columns - j), destination + j, columns - j);
        }
    }

    private static void AddRows<TSimd, TVector>(void* pointer, int task)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        ref Context c = ref *(Context*)pointer;
        int column = task % c.Strips * c.Strip;
        int end = Math.Min(column + c.Strip, c.Columns);
        int range = task / c.Strips;
        bool past = c.Beta == 0 && ElementLoop.GoesPast<TVector>(c.Entry(0), c.TableStride, c.TableRows, c.Columns);
        int endRow = c.FirstRow(range + 1);
        for (int v = c.FirstRow(range); v < endRow; v++)
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

        int count = c.Starts[v + 1] - c.Starts[v];
        int last = c.Starts[c.TableRows] - 1;
        for (int k = c.Starts[v]; k < c.Starts[v + 1]; k++)
        {
            CacheLine.Fetch(c.Row(c.Order[Math.Min(k + count, last)]) + column, 4 * TSimd.Count);
            float* x = c.Row(c.Order[k]) + column;
            s0 = TSimd.Add(s0, TSimd.Load(x));
            s1 = TSimd.Add(s1, TSimd.Load(x + TSimd.Count));
            s2 = TSimd.Add(s2, TSimd.Load(x + (2 * TSimd.Count)));
            s3 = TSimd.Add(s3, TSimd.Load(x + (3 * TSimd.Count)));
        }

        SimdPart<TSimd, TVector>.StoreFour(past, s0, s1, s2, s3, entry);
    }

    private struct Context(MatrixView<float> rows, MatrixView<float> table, VectorView<int> indices, float beta)
    {
        public readonly int* Indices = indices.Pointer;
        public readonly int Rows = rows.Rows;
        public readonly int Columns = rows.Columns;
        public readonly int TableRows = table.Rows;
        public readonly long TableStride = table.RowStride;
        public readonly float Beta = beta;
        public readonly long RowStride = rows.RowStride;

        /// <summary>Where in <see cref="Order"/> the rows of an entry start, and at the next place end; one place more than that.</summary>
        public int* Starts;

        /// <summary>Rows, by index, then by number.</summary>
        public int* Order;

        /// <summary>Columns of a task.</summary>
        public int Strip;
        private readonly float* _rows = rows.Pointer;
        private readonly float* _table = table.Pointer;

        public readonly int Ranges => Math.Min(TableRows, RowRanges);

        public readonly int Strips => (Columns + Strip - 1) / Strip;

        /// <summary>The first row of a range: before it lies the range's share of rows to write and rows to read.</summary>
        public readonly int FirstRow(int range)
        {
            long share = Work(TableRows) * range / Ranges;
            (int low, int high) = (0, TableRows);
            while (low < high)
            {
                int middle = (int)(((long)low + high) / 2);
                (low, high) = Work(middle) < share ? (middle + 1, high) : (low, middle);
            }

            return low;
        }

        public readonly float* Row(int n) => _rows + (n * RowStride);

        public readonly float* Entry(int v) => _table + (v * TableStride);

        /// <summary>By counting: rows with indices outside the table are left out.</summary>
        public void Sort()
        {
            new Span<int>(Starts, TableRows + 2).Clear();
            for (int n = 0; n < Rows; n++)
            {
                if ((uint)Indices[n] < (uint)TableRows)
                {
                    Starts[Indices[n] + 2]++;
                }
            }

            int most = 0;
            for (int v = 0; v < TableRows; v++)
            {
                most = Math.Max(most, Starts[v + 2]);
                Starts[v + 2] += Starts[v + 1];
            }

            Strip = most * (long)RowRanges > Starts[TableRows + 1] + (long)TableRows ? NarrowStripColumns : StripColumns;

            for (int n = 0; n < Rows; n++)
            {
                if ((uint)Indices[n] < (uint)TableRows)
                {
                    Order[Starts[Indices[n] + 1]++] = n;
                }
            }
        }

        /// <summary>Rows of the table before one, and rows that are added to them.</summary>
        private readonly long Work(int v) => v + (long)Starts[v];
    }
}
