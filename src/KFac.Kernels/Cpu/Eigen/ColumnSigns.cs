using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Turns columns as <see cref="EigenvectorSigns{TSimd, TVector}"/> does, where few of them need it.</summary>
/// <remarks>One pass over rows finds each column's largest and smallest element; a second touches only the columns to be turned. A
/// basis that has moved a little turns 1% of its columns.</remarks>
internal unsafe struct ColumnSigns<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int RowsPerTask = 64;

    private readonly float* _c;
    private readonly long _ldc;
    private readonly int _n;
    private readonly float* _extremes;
    private readonly int* _negative;
    private int _count;

    private ColumnSigns(float* c, long ldc, int n, float* scratch)
    {
        _c = c;
        _ldc = ldc;
        _n = n;
        _negative = (int*)scratch;
        _extremes = scratch + n;
        _count = 0;
    }

    private readonly int Tasks => (_n + RowsPerTask - 1) / RowsPerTask;

    /// <param name="c">[n, n].</param>
    /// <param name="scratch">n elements, and 2n for every 64 rows.</param>
    public static void Fix(ItemThreads threads, float* c, long ldc, int n, float* scratch)
    {
        var job = new ColumnSigns<TSimd, TVector>(c, ldc, n, scratch);
        void* context = Unsafe.AsPointer(ref job);
        threads.Run(job.Tasks, &FindExtremes, context);
        job.FindNegative();
        threads.Run(job._count == 0 ? 0 : job.Tasks, &Negate, context);
    }

    private static void FindExtremes(void* context, int task)
    {
        ref readonly ColumnSigns<TSimd, TVector> job = ref Unsafe.AsRef<ColumnSigns<TSimd, TVector>>(context);
        int n = job._n;
        float* high = job._extremes + (2L * task * n);
        float* low = high + n;
        new Span<float>(high, 2 * n).Clear();
        for (int i = task * RowsPerTask; i < Math.Min(n, (task + 1) * RowsPerTask); i++)
        {
            float* row = job._c + (i * job._ldc);
            AddRow(row, row, high, low, n);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRow(float* above, float* below, float* high, float* low, int n)
    {
        int j = 0;
        for (; j + TSimd.Count <= n; j += TSimd.Count)
        {
            TSimd.Store(TSimd.Max(TSimd.Load(high + j), TSimd.Load(above + j)), high + j);
            TSimd.Store(TSimd.Min(TSimd.Load(low + j), TSimd.Load(below + j)), low + j);
        }

        for (; j < n; j++)
        {
            high[j] = MathF.Max(high[j], above[j]);
            low[j] = MathF.Min(low[j], below[j]);
        }
    }

    private void FindNegative()
    {
        float* high = _extremes;
        float* low = high + _n;
        for (int task = 1; task < Tasks; task++)
        {
            float* others = _extremes + (2L * task * _n);
            AddRow(others, others + _n, high, low, _n);
        }

        for (int j = 0; j < _n; j++)
        {
            float difference = high[j] + low[j];
            if (difference == 0 ? EigenvectorSigns<TSimd, TVector>.IsNegative(_c + j, _ldc, _n) : difference < 0)
            {
                _negative[_count++] = j;
            }
        }
    }

    private static void Negate(void* context, int task)
    {
        ref readonly ColumnSigns<TSimd, TVector> job = ref Unsafe.AsRef<ColumnSigns<TSimd, TVector>>(context);
        for (int i = task * RowsPerTask; i < Math.Min(job._n, (task + 1) * RowsPerTask); i++)
        {
            float* row = job._c + (i * job._ldc);
            for (int at = 0; at < job._count; at++)
            {
                int j = job._negative[at];
                row[j] = -row[j];
            }
        }
    }
}
