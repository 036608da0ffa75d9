using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Diagonalises the blocks of a nearly diagonal matrix <c>diag(d) + F</c> in which eigenvalues lie too close together
/// for perturbation theory.</summary>
/// <remarks>
/// All indices that strong pairs span (<see cref="StrongPairs{TSimd, TVector}"/>) form a block; long blocks are cut into windows of
/// at most <see cref="LargestWindow"/>, which are solved exactly and apart from each other, and F is turned by their
/// eigenvectors Q: <c>F ← QᵀFQ</c>, zero inside a window. What is left between windows is left to the next step.
/// </remarks>
internal unsafe struct CloseEigenvalues<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Rows of a window, and the distance between rows of its Q.</summary>
    public const int LargestWindow = SmallEigen.MaxSize;

    /// <summary>Share of columns in blocks longer than a window from which on two or more steps would be needed.</summary>
    private const double LargestCutShare = 0.25;

    private const int RowsPerTask = 32;

    private readonly ItemThreads _threads;
    private readonly int _k;
    private readonly float* _f;
    private readonly long _ldf;
    private readonly float* _d;
    private readonly float _negligible;
    private readonly float* _last;
    private readonly Window* _windows;
    private readonly float* _q;
    private float* _x;
    private long _ldx;
    private int _count;
    private int _failures;

    /// <param name="f">F, [k, k], all of it, rows padded to whole vectors.</param>
    /// <param name="d">[k], ascending, padded likewise.</param>
    /// <param name="memory"><see cref="ScratchBytes"/> bytes.</param>
    public CloseEigenvalues(ItemThreads threads, int k, float* f, long ldf, float* d, float negligible, byte* memory)
    {
        _threads = threads;
        _k = k;
        _f = f;
        _ldf = ldf;
        _d = d;
        _negligible = negligible;
        _q = (float*)memory;
        _last = _q + ((long)k * LargestWindow);
        _windows = (Window*)(_last + k + (k % 2));
    }

    /// <summary>Windows that were found.</summary>
    public readonly int Count => _count;

    public static long ScratchBytes(int n) =>
        ((((long)n * LargestWindow) + n + 1) * sizeof(float)) + ((long)n * sizeof(Window));

    /// <summary>Finds the windows, solves them, and turns F and d; false when too many columns lie in blocks that had to be cut,
    /// the matrix having moved too far for what follows, or when a window has no solution.</summary>
    public bool Run()
    {
        void* context = Unsafe.AsPointer(ref this);
        int tasks = (_k + RowsPerTask - 1) / RowsPerTask;
        StrongPairs<TSimd, TVector>.Find(_threads, _k, _f, _ldf, _d, _negligible, _last);
        if (FindWindows() > LargestCutShare * _k)
        {
            return false;
        }

        if (_count > 0)
        {
            _threads.Run(_count, &SolveWindow, context);
            _threads.Run(tasks, &TurnColumns, context);
        }

        return _failures == 0;
    }

    /// <summary><c>X ← QX</c> for X of k rows, padded to whole vectors.</summary>
    public void Apply(float* x, long ldx)
    {
        _x = x;
        _ldx = ldx;
        _threads.Run(_count, &ApplyWindow, Unsafe.AsPointer(ref this));
    }

    /// <summary><c>F ← QᵀFQ</c> for what its memory holds now.</summary>
    public void Turn()
    {
        void* context = Unsafe.AsPointer(ref this);
        _threads.Run(_count, &TurnWindow, context);
        _threads.Run(_count == 0 ? 0 : (_k + RowsPerTask - 1) / RowsPerTask, &TurnColumns, context);
    }

    /// <summary><c>x ← xQ</c> for a row of k elements.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public readonly void TurnRow(float* x)
    {
        float* turned = stackalloc float[LargestWindow];
        for (int window = 0; window < _count; window++)
        {
            Window w = _windows[window];
            float* row = x + w.Start;
            float* q = Q(w);
            for (int p = 0; p < w.Length; p += TSimd.Count)
            {
                TVector sum = TSimd.Zero;
                for (int j = 0; j < w.Length; j++)
                {
                    sum = TSimd.MultiplyAdd(TSimd.Create(row[j]), TSimd.Load(q + (j * LargestWindow) + p), sum);
                }

                TSimd.Store(sum, turned + p);
            }

            new Span<float>(turned, w.Length).CopyTo(new Span<float>(row, w.Length));
        }
    }

    private static void TurnWindow(void* context, int index)
    {
        ref readonly CloseEigenvalues<TSimd, TVector> job = ref Unsafe.AsRef<CloseEigenvalues<TSimd, TVector>>(context);
        Window w = job._windows[index];
        job.TurnRows(w, job._f + (w.Start * job._ldf), job._ldf, job.Q(w), 1, LargestWindow);
    }

    private static void ApplyWindow(void* context, int index)
    {
        ref readonly CloseEigenvalues<TSimd, TVector> job = ref Unsafe.AsRef<CloseEigenvalues<TSimd, TVector>>(context);
        Window w = job._windows[index];
        job.TurnRows(w, job._x + (w.Start * job._ldx), job._ldx, job.Q(w), LargestWindow, 1);
    }

    private readonly float* Q(Window window) => _q + ((long)window.Start * LargestWindow);

    /// <summary>Returns how many columns lie in blocks longer than a window.</summary>
    private int FindWindows()
    {
        int cut = 0;
        for (int start = 0; start < _k;)
        {
            int last = (int)_last[start];
            for (int i = start; i <= last; i++)
            {
                last = Math.Max(last, (int)_last[i]);
            }

            int length = last + 1 - start;
            int parts = (length + LargestWindow - 1) / LargestWindow;
            cut += parts > 1 ? length : 0;
            for (int part = 0; part < parts && length > 1; part++)
            {
                int first = start + (length * part / parts);
                _windows[_count++] = new Window(first, start + (length * (part + 1) / parts) - first);
            }

            start += length;
        }

        return cut;
    }

    /// <summary>Diagonalises a window, relative to its first value so that no digits are lost, and turns its rows of F.</summary>
    private static void SolveWindow(void* context, int index)
    {
        ref CloseEigenvalues<TSimd, TVector> job = ref Unsafe.AsRef<CloseEigenvalues<TSimd, TVector>>(context);
        Window w = job._windows[index];
        float* block = stackalloc float[(LargestWindow + 1) * LargestWindow];
        float* values = block + (LargestWindow * LargestWindow);
        float origin = job._d[w.Start];
        for (int i = 0; i < w.Length; i++)
        {
            float* row = job._f + ((w.Start + i) * job._ldf) + w.Start;
            new Span<float>(row, w.Length).CopyTo(new Span<float>(block + (i * LargestWindow), w.Length));
            new Span<float>(row, w.Length).Clear();
            block[(i * LargestWindow) + i] = job._d[w.Start + i] - origin;
        }

        float* q = job.Q(w);
        new Span<float>(q, w.Length * LargestWindow).Clear();
        var task = new EigenTask(w.Length, block, LargestWindow, values, q, LargestWindow);
        if (SmallEigen.Solve(job._threads.Device, task) != 0)
        {
            Interlocked.Increment(ref job._failures);
            return;
        }

        for (int i = 0; i < w.Length; i++)
        {
            job._d[w.Start + i] = origin + values[i];
        }

        job.TurnRows(w, job._f + (w.Start * job._ldf), job._ldf, q, 1, LargestWindow);
    }

    /// <summary>Rows <c>x_p ← Σ_q t(p, q)·x_q</c> of a window, with <c>t(p, q) = turn[p·rowStep + q·columnStep]</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void TurnRows(Window w, float* x, long ldx, float* turn, int rowStep, int columnStep)
    {
        float* turned = stackalloc float[LargestWindow * TSimd.Count];
        for (int j = 0; j < _k; j += TSimd.Count)
        {
            for (int p = 0; p < w.Length; p++)
            {
                TVector sum = TSimd.Zero;
                for (int q = 0; q < w.Length; q++)
                {
                    sum = TSimd.MultiplyAdd(TSimd.Create(turn[(p * rowStep) + (q * columnStep)]), TSimd.Load(x + (q * ldx) + j), sum);
                }

                TSimd.Store(sum, turned + (p * TSimd.Count));
            }

            for (int p = 0; p < w.Length; p++)
            {
                TSimd.Store(TSimd.Load(turned + (p * TSimd.Count)), x + (p * ldx) + j);
            }
        }
    }

    /// <summary><c>F ← FQ</c> for a run of rows.</summary>
    private static void TurnColumns(void* context, int task)
    {
        ref readonly CloseEigenvalues<TSimd, TVector> job = ref Unsafe.AsRef<CloseEigenvalues<TSimd, TVector>>(context);
        for (int i = task * RowsPerTask; i < Math.Min(job._k, (task + 1) * RowsPerTask); i++)
        {
            job.TurnRow(job._f + (i * job._ldf));
        }
    }

    private readonly record struct Window(int Start, int Length);
}
