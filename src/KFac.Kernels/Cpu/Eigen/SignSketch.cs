using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Products of a matrix with a few columns of random signs, from which its Frobenius norm is estimated.</summary>
/// <remarks>
/// <c>E‖Mω‖² = ‖M‖²</c> for a vector ω of independent signs (Hutchinson). With <see cref="Count"/> of them the estimate of
/// the norm rarely errs by more than a third, for the price of reading M once. All matrices here have rows of
/// <see cref="Count"/> elements. Signs depend on the row alone, so an estimate is the same on every run.
/// </remarks>
internal unsafe struct SignSketch<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Columns of a sketch: one vector of the widest registers.</summary>
    public const int Count = 16;

    private const int RowsPerTask = 64;
    private const int RowsAtATime = 8;
    private const int ColumnsOfStrip = 64;

    private readonly float* _matrix;
    private readonly long _stride;
    private readonly int _rows;
    private readonly int _columns;
    private readonly float* _input;
    private readonly float* _output;
    private readonly float* _parts;

    private SignSketch(float* matrix, long stride, int rows, int columns, float* input, float* output, float* parts)
    {
        _matrix = matrix;
        _stride = stride;
        _rows = rows;
        _columns = columns;
        _input = input;
        _output = output;
        _parts = parts;
    }

    /// <summary>Writes the signs.</summary>
    public static void Signs(int rows, float* output)
    {
        for (int i = 0; i < rows; i++)
        {
            ulong bits = ((ulong)i + 1) * 0x9E3779B97F4A7C15UL;
            bits = (bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9UL;
            bits = (bits ^ (bits >> 27)) * 0x94D049BB133111EBUL;
            for (int s = 0; s < Count; s++)
            {
                output[(i * Count) + s] = ((bits >> (s + 40)) & 1) == 0 ? 1 : -1;
            }
        }
    }

    /// <summary><c>output ← M·input</c>.</summary>
    public static void Multiply(ItemThreads threads, float* matrix, long stride, int rows, int columns, float* input, float* output)
    {
        var job = new SignSketch<TSimd, TVector>(matrix, stride, rows, columns, input, output, null);
        threads.Run((rows + RowsPerTask - 1) / RowsPerTask, &MultiplyRows, Unsafe.AsPointer(ref job));
    }

    /// <summary><c>output ← M·input</c> and <c>normal ← MᵀM·input</c>, reading M once: rows are used for both while they are in the cache.</summary>
    /// <param name="parts">A sketch of <paramref name="columns"/> rows for every <see cref="RowsPerTask"/> rows of M.</param>
    public static void MultiplyNormal(
        ItemThreads threads, float* matrix, long stride, int rows, int columns, float* input, float* output, float* normal, float* parts)
    {
        var job = new SignSketch<TSimd, TVector>(matrix, stride, rows, columns, input, output, parts);
        threads.Run((rows + RowsPerTask - 1) / RowsPerTask, &MultiplyRowsTwice, Unsafe.AsPointer(ref job));
        var sum = new SignSketch<TSimd, TVector>(matrix, stride, rows, columns, input, normal, parts);
        threads.Run((columns + RowsPerTask - 1) / RowsPerTask, &AddParts, Unsafe.AsPointer(ref sum));
    }

    /// <summary>The estimate of <c>‖M − N‖</c> from the sketches of both.</summary>
    public static double Distance(int rows, float* left, float* right)
    {
        double sum = 0;
        for (int i = 0; i < rows; i++)
        {
            TVector row = TSimd.Zero;
            for (int s = 0; s < Count; s += TSimd.Count)
            {
                TVector difference = TSimd.Subtract(TSimd.Load(left + (i * Count) + s), TSimd.Load(right + (i * Count) + s));
                row = TSimd.MultiplyAdd(difference, difference, row);
            }

            sum += TSimd.Sum(row);
        }

        return Math.Sqrt(sum / Count);
    }

    /// <summary>The estimate of <c>‖M‖</c> from its sketch.</summary>
    public static double Norm(int rows, float* sketch)
    {
        double sum = 0;
        for (int i = 0; i < rows; i++)
        {
            TVector row = TSimd.Zero;
            for (int s = 0; s < Count; s += TSimd.Count)
            {
                TVector value = TSimd.Load(sketch + (i * Count) + s);
                row = TSimd.MultiplyAdd(value, value, row);
            }

            sum += TSimd.Sum(row);
        }

        return Math.Sqrt(sum / Count);
    }

    private static void MultiplyRows(void* context, int task)
    {
        ref readonly SignSketch<TSimd, TVector> job = ref Unsafe.AsRef<SignSketch<TSimd, TVector>>(context);
        int end = Math.Min(job._rows, (task + 1) * RowsPerTask);
        int i = task * RowsPerTask;
        for (; i + RowsAtATime <= end; i += RowsAtATime)
        {
            job.MultiplyEightRows(i);
        }

        for (; i < end; i++)
        {
            job.MultiplyRow(i);
        }
    }

    private static void MultiplyRowsTwice(void* context, int task)
    {
        MultiplyRows(context, task);
        ref readonly SignSketch<TSimd, TVector> job = ref Unsafe.AsRef<SignSketch<TSimd, TVector>>(context);
        int row = task * RowsPerTask;
        float* part = job._parts + ((long)task * job._columns * Count);
        for (int column = 0; column < job._columns; column += ColumnsOfStrip)
        {
            int count = Math.Min(ColumnsOfStrip, job._columns - column);
            job.MultiplyStrip(row, Math.Min(job._rows, row + RowsPerTask), column, count, part + ((long)column * Count));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddParts(void* context, int task)
    {
        ref readonly SignSketch<TSimd, TVector> job = ref Unsafe.AsRef<SignSketch<TSimd, TVector>>(context);
        long length = (long)job._columns * Count;
        long end = Math.Min(job._columns, (task + 1) * RowsPerTask) * (long)Count;
        for (long at = (long)task * RowsPerTask * Count; at < end; at += TSimd.Count)
        {
            TVector sum = TSimd.Zero;
            for (int part = 0; part * RowsPerTask < job._rows; part++)
            {
                sum = TSimd.Add(sum, TSimd.Load(job._parts + (part * length) + at));
            }

            TSimd.Store(sum, job._output + at);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void MultiplyEightRows(int i)
    {
        float* m0 = _matrix + (i * _stride);
        float* m4 = m0 + (4 * _stride);
        for (int s = 0; s < Count; s += TSimd.Count)
        {
            TVector y0 = TSimd.Zero, y1 = TSimd.Zero, y2 = TSimd.Zero, y3 = TSimd.Zero;
            TVector y4 = TSimd.Zero, y5 = TSimd.Zero, y6 = TSimd.Zero, y7 = TSimd.Zero;
            float* x = _input + s;
            for (int j = 0; j < _columns; j++, x += Count)
            {
                TVector value = TSimd.Load(x);
                y0 = TSimd.MultiplyAdd(TSimd.Create(m0[j]), value, y0);
                y1 = TSimd.MultiplyAdd(TSimd.Create(m0[j + _stride]), value, y1);
                y2 = TSimd.MultiplyAdd(TSimd.Create(m0[j + (2 * _stride)]), value, y2);
                y3 = TSimd.MultiplyAdd(TSimd.Create(m0[j + (3 * _stride)]), value, y3);
                y4 = TSimd.MultiplyAdd(TSimd.Create(m4[j]), value, y4);
                y5 = TSimd.MultiplyAdd(TSimd.Create(m4[j + _stride]), value, y5);
                y6 = TSimd.MultiplyAdd(TSimd.Create(m4[j + (2 * _stride)]), value, y6);
                y7 = TSimd.MultiplyAdd(TSimd.Create(m4[j + (3 * _stride)]), value, y7);
            }

            float* y = _output + (i * Count) + s;
            TSimd.Store(y0, y);
            TSimd.Store(y1, y + Count);
            TSimd.Store(y2, y + (2 * Count));
            TSimd.Store(y3, y + (3 * Count));
            TSimd.Store(y4, y + (4 * Count));
            TSimd.Store(y5, y + (5 * Count));
            TSimd.Store(y6, y + (6 * Count));
            TSimd.Store(y7, y + (7 * Count));
        }
    }

    private readonly void MultiplyRow(int i)
    {
        float* row = _matrix + (i * _stride);
        for (int s = 0; s < Count; s += TSimd.Count)
        {
            TVector sum = TSimd.Zero;
            for (int j = 0; j < _columns; j++)
            {
                sum = TSimd.MultiplyAdd(TSimd.Create(row[j]), TSimd.Load(_input + (j * Count) + s), sum);
            }

            TSimd.Store(sum, _output + (i * Count) + s);
        }
    }

    /// <summary>Adds up what some rows of M and of <c>M·input</c> contribute to a strip of <c>MᵀM·input</c>: four rows at a time, so that an
    /// element of the result is loaded and stored once for four multiply-adds.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void MultiplyStrip(int start, int end, int first, int count, float* output)
    {
        new Span<float>(output, count * Count).Clear();
        int whole = start + ((end - start) & ~3);
        for (int s = 0; s < Count; s += TSimd.Count)
        {
            for (int i = start; i < whole; i += 4)
            {
                float* m = _matrix + (i * _stride) + first;
                float* x = _output + ((long)i * Count) + s;
                TVector x0 = TSimd.Load(x), x1 = TSimd.Load(x + Count), x2 = TSimd.Load(x + (2 * Count)), x3 = TSimd.Load(x + (3 * Count));
                for (int j = 0; j < count; j++)
                {
                    TVector y = TSimd.Load(output + (j * Count) + s);
                    y = TSimd.MultiplyAdd(TSimd.Create(m[j]), x0, y);
                    y = TSimd.MultiplyAdd(TSimd.Create(m[j + _stride]), x1, y);
                    y = TSimd.MultiplyAdd(TSimd.Create(m[j + (2 * _stride)]), x2, y);
                    y = TSimd.MultiplyAdd(TSimd.Create(m[j + (3 * _stride)]), x3, y);
                    TSimd.Store(y, output + (j * Count) + s);
                }
            }

            for (int i = whole; i < end; i++)
            {
                TVector x = TSimd.Load(_output + ((long)i * Count) + s);
                for (int j = 0; j < count; j++)
                {
                    float* y = output + (j * Count) + s;
                    TSimd.Store(TSimd.MultiplyAdd(TSimd.Create(_matrix[(i * _stride) + first + j]), x, TSimd.Load(y)), y);
                }
            }
        }
    }
}
