using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>The pairs of a nearly diagonal matrix <c>diag(d) + F</c> that perturbation theory must not turn.</summary>
/// <remarks>With d ascending, a pair (i, j) is strong when <c>|f_ij|</c> is above what may be neglected and above a share of the gap
/// <c>|d_j − d_i|</c>.</remarks>
internal readonly unsafe struct StrongPairs<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    /// <summary>Share of the gap from which a pair is strong.</summary>
    private const float StrongShare = 0.05f;

    private const int RowsPerTask = 32;

    private readonly int _k;
    private readonly float* _f;
    private readonly long _ldf;
    private readonly float* _d;
    private readonly float _negligible;
    private readonly float* _last;

    private StrongPairs(int k, float* f, long ldf, float* d, float negligible, float* last)
    {
        _k = k;
        _f = f;
        _ldf = ldf;
        _d = d;
        _negligible = negligible;
        _last = last;
    }

    /// <summary>Finds for every row the last column with which it forms a strong pair, or itself.</summary>
    /// <param name="f">F, [k, k].</param>
    /// <param name="d">[k], ascending.</param>
    /// <param name="last">[k], receives the columns.</param>
    public static void Find(ItemThreads threads, int k, float* f, long ldf, float* d, float negligible, float* last)
    {
        var job = new StrongPairs<TSimd, TVector>(k, f, ldf, d, negligible, last);
        threads.Run((k + RowsPerTask - 1) / RowsPerTask, &FindRows, &job);
    }

    private static void FindRows(void* context, int task)
    {
        ref readonly StrongPairs<TSimd, TVector> job = ref Unsafe.AsRef<StrongPairs<TSimd, TVector>>(context);
        for (int i = task * RowsPerTask; i < Math.Min(job._k, (task + 1) * RowsPerTask); i++)
        {
            job._last[i] = job.LastStrong(i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly float LastStrong(int i)
    {
        float* row = _f + (i * _ldf);
        TVector limit = TSimd.Create(_negligible);
        TVector own = TSimd.Create(_d[i]);
        TVector share = TSimd.Create(StrongShare);
        TVector found = TSimd.Zero;
        int j = i + 1;
        for (; j + TSimd.Count <= _k; j += TSimd.Count)
        {
            TVector f = TSimd.Abs(TSimd.Load(row + j));
            TVector gap = TSimd.Multiply(share, TSimd.Abs(TSimd.Subtract(TSimd.Load(_d + j), own)));
            TVector strong = TSimd.And(TSimd.Less(limit, f), TSimd.Less(gap, f));
            found = TSimd.Select(strong, TSimd.Create(j), found);
        }

        float* lanes = stackalloc float[TSimd.Count];
        TSimd.Store(found, lanes);
        float last = i;
        for (int lane = 0; lane < TSimd.Count; lane++)
        {
            last = lanes[lane] == 0 ? last : Math.Max(last, lanes[lane] + lane);
        }

        for (; j < _k; j++)
        {
            float f = Math.Abs(row[j]);
            last = f > _negligible && f > StrongShare * Math.Abs(_d[j] - _d[i]) ? j : last;
        }

        return last;
    }
}
