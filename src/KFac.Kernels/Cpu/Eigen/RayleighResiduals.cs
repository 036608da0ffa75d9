using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>How well the columns of V diagonalise A, given <c>W = AV</c>: Rayleigh quotients <c>dⱼ = vⱼᵀwⱼ / vⱼᵀvⱼ</c>, and
/// residuals <c>W ← W − V·diag(d)</c> with their squared norms.</summary>
/// <remarks>Two passes over memory, row by row. A task takes <see cref="RowsPerTask"/> rows and sums them in float32; tasks
/// are added in float64, in their order.</remarks>
internal unsafe struct RayleighResiduals<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int RowsPerTask = 64;

    private readonly int _n;
    private readonly float* _v;
    private readonly long _ldv;
    private readonly float* _w;
    private readonly long _ldw;
    private readonly float* _quotients;
    private readonly float* _sums;

    private RayleighResiduals(int n, float* v, long ldv, float* w, long ldw, float* scratch)
    {
        _n = n;
        _v = v;
        _ldv = ldv;
        _w = w;
        _ldw = ldw;
        _quotients = scratch;
        _sums = scratch + n;
    }

    /// <summary>Elements of scratch.</summary>
    public static long ScratchLength(int n) => n + (2L * n * Tasks(n));

    /// <param name="values">[n], receives d.</param>
    /// <param name="squares">[n], receives the squared norms of the residuals.</param>
    /// <param name="scratch"><see cref="ScratchLength"/> elements.</param>
    public static void Run(
        ItemThreads threads, int n, float* v, long ldv, float* w, long ldw, double* values, double* squares, float* scratch)
    {
        var job = new RayleighResiduals<TSimd, TVector>(n, v, ldv, w, ldw, scratch);
        threads.Run(Tasks(n), &SumProducts, Unsafe.AsPointer(ref job));
        job.AddTasks(values, 0);
        job.AddTasks(squares, 1);
        for (int j = 0; j < n; j++)
        {
            values[j] /= squares[j];
            scratch[j] = (float)values[j];
        }

        threads.Run(Tasks(n), &Subtract, Unsafe.AsPointer(ref job));
        job.AddTasks(squares, 0);
    }

    private static int Tasks(int n) => (n + RowsPerTask - 1) / RowsPerTask;

    /// <summary>Adds the tasks' sums of products (part 0) or norms (part 1).</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void AddTasks(double* result, int part)
    {
        new Span<double>(result, _n).Clear();
        for (int task = 0; task < Tasks(_n); task++)
        {
            float* sums = _sums + (((2L * task) + part) * _n);
            for (int j = 0; j < _n; j++)
            {
                result[j] += sums[j];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SumProducts(void* context, int task)
    {
        ref readonly RayleighResiduals<TSimd, TVector> job = ref Unsafe.AsRef<RayleighResiduals<TSimd, TVector>>(context);
        int n = job._n;
        float* products = job._sums + (2L * task * n);
        float* norms = products + n;
        new Span<float>(products, 2 * n).Clear();
        for (int i = task * RowsPerTask; i < Math.Min(n, (task + 1) * RowsPerTask); i++)
        {
            float* v = job._v + (i * job._ldv);
            float* w = job._w + (i * job._ldw);
            int j = 0;
            for (; j + TSimd.Count <= n; j += TSimd.Count)
            {
                TVector x = TSimd.Load(v + j);
                TSimd.Store(TSimd.MultiplyAdd(x, TSimd.Load(w + j), TSimd.Load(products + j)), products + j);
                TSimd.Store(TSimd.MultiplyAdd(x, x, TSimd.Load(norms + j)), norms + j);
            }

            for (; j < n; j++)
            {
                products[j] += v[j] * w[j];
                norms[j] += v[j] * v[j];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Subtract(void* context, int task)
    {
        ref readonly RayleighResiduals<TSimd, TVector> job = ref Unsafe.AsRef<RayleighResiduals<TSimd, TVector>>(context);
        int n = job._n;
        float* squares = job._sums + (2L * task * n);
        new Span<float>(squares, n).Clear();
        for (int i = task * RowsPerTask; i < Math.Min(n, (task + 1) * RowsPerTask); i++)
        {
            float* v = job._v + (i * job._ldv);
            float* w = job._w + (i * job._ldw);
            int j = 0;
            for (; j + TSimd.Count <= n; j += TSimd.Count)
            {
                TVector product = TSimd.Multiply(TSimd.Load(v + j), TSimd.Load(job._quotients + j));
                TVector residual = TSimd.Subtract(TSimd.Load(w + j), product);
                TSimd.Store(residual, w + j);
                TSimd.Store(TSimd.MultiplyAdd(residual, residual, TSimd.Load(squares + j)), squares + j);
            }

            for (; j < n; j++)
            {
                float residual = w[j] - (v[j] * job._quotients[j]);
                w[j] = residual;
                squares[j] += residual * residual;
            }
        }
    }
}
