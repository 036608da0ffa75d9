using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>The antisymmetric S of first-order perturbation theory for <c>diag(d) + F</c>: <c>s_ij = f_ij / (d_j − d_i)</c>,
/// 0 where f is negligible or so large against the gap that the theory does not hold.</summary>
internal unsafe struct FirstOrderRotation<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int RowsPerTask = 32;

    private readonly int _k;
    private readonly float* _f;
    private readonly float* _s;
    private readonly long _stride;
    private readonly float* _d;
    private readonly float _negligible;
    private readonly float _largestAngle;
    private readonly float* _shifts;
    private readonly float* _skipped;

    private FirstOrderRotation(
        int k, float* f, float* s, long stride, float* d, float negligible, float largestAngle, float* shifts, float* skipped)
    {
        _k = k;
        _f = f;
        _s = s;
        _stride = stride;
        _d = d;
        _negligible = negligible;
        _largestAngle = largestAngle;
        _shifts = shifts;
        _skipped = skipped;
    }

    /// <summary>Writes S; returns the Frobenius norm of the part of F that it leaves where it is for being too large.</summary>
    /// <param name="f">F, [k, k] with zeros on its diagonal, rows padded to whole vectors; as is S.</param>
    /// <param name="d">[k], padded likewise.</param>
    /// <param name="largestAngle">Largest |s|.</param>
    /// <param name="shifts">[k], receives what second order adds to d.</param>
    /// <param name="skipped">[k], scratch.</param>
    public static double Write(
        ItemThreads threads,
        int k,
        float* f,
        float* s,
        long stride,
        float* d,
        float negligible,
        float largestAngle,
        float* shifts,
        float* skipped)
    {
        var job = new FirstOrderRotation<TSimd, TVector>(k, f, s, stride, d, negligible, largestAngle, shifts, skipped);
        threads.Run((k + RowsPerTask - 1) / RowsPerTask, &WriteRows, Unsafe.AsPointer(ref job));
        double sum = 0;
        for (int i = 0; i < k; i++)
        {
            sum += skipped[i];
        }

        return Math.Sqrt(sum);
    }

    private static void WriteRows(void* context, int task)
    {
        ref readonly FirstOrderRotation<TSimd, TVector> job = ref Unsafe.AsRef<FirstOrderRotation<TSimd, TVector>>(context);
        for (int i = task * RowsPerTask; i < Math.Min(job._k, (task + 1) * RowsPerTask); i++)
        {
            job.WriteRow(i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private readonly void WriteRow(int i)
    {
        float* f = _f + (i * _stride);
        float* s = _s + (i * _stride);
        TVector own = TSimd.Create(_d[i]);
        TVector limit = TSimd.Create(_negligible);
        TVector largest = TSimd.Create(_largestAngle);
        TVector shift = TSimd.Zero;
        TVector skipped = TSimd.Zero;
        for (int j = 0; j < _k; j += TSimd.Count)
        {
            TVector inside = TSimd.First(Math.Min(TSimd.Count, _k - j));
            TVector value = TSimd.And(inside, TSimd.Load(f + j));
            TVector gap = TSimd.Subtract(TSimd.Load(_d + j), own);
            TVector counts = TSimd.Less(limit, TSimd.Abs(value));
            TVector holds = TSimd.Less(TSimd.Abs(value), TSimd.Multiply(largest, TSimd.Abs(gap)));
            TVector angle = TSimd.And(TSimd.And(counts, holds), TSimd.Divide(value, gap));
            TVector left = TSimd.And(counts, TSimd.Select(holds, TSimd.Zero, value));
            TSimd.Store(angle, s + j);
            shift = TSimd.MultiplyAdd(value, angle, shift);
            skipped = TSimd.MultiplyAdd(left, left, skipped);
        }

        _shifts[i] = -TSimd.Sum(shift);
        _skipped[i] = TSimd.Sum(skipped);
    }
}
