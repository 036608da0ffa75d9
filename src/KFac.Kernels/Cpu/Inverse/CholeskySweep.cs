using System.Numerics;
using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>What a sweep leaves in the matrix.</summary>
internal enum SweepResult
{
    /// <summary>The Cholesky factor L.</summary>
    Factor,

    /// <summary>The inverse.</summary>
    Inverse,
}

/// <summary>Blocked Cholesky factorisation or inversion of one symmetric positive definite matrix, in its lower triangle.</summary>
/// <remarks>
/// Block column by block column, right-looking. With the diagonal block <c>M = Uᵀ·U</c> and the rest of its row and column
/// as panels B, each step solves <c>Z = −U⁻ᵀ·B</c> and adds <c>Zᵀ·Z</c> to the triangle: one symmetric update of rank 96 in a
/// register tile, which is where nearly all the time goes.
/// <para>
/// For the inverse this is the one-sweep algorithm of Bientinesi, Gunter and van de Geijn (ACM TOMS 35, 2008): factor,
/// triangular inverse and product of the usual three passes are merged into one, with the same operations on every element
/// (n³ in all), but each step updates the whole triangle, so threads are busy to the end. B is then replaced by <c>U⁻¹·Z</c>.
/// </para>
/// <para>
/// Measured with AVX-512, GF/s counting n³, at one thread and two (a register tile alone: 241 and 482): n = 256 153 and 239,
/// 512 182 and 335, 1024 190 and 362, 2048 207 and 405. Of the processor's time at 2048 80% are products, at the rate of a large Gemm,
/// 11% solves, 6% loading and storing the matrix. Steps of 192 rows are no faster there; nor are pages of 2 MiB, products of two or more
/// steps at a time, or squares that stay with one thread.
/// </para>
/// </remarks>
internal unsafe struct CholeskySweep<T, TTile>
    where T : unmanaged, IFloatingPointIeee754<T>
    where TTile : struct, IPanelTile<T>
{
    private readonly SweepSteps<T, TTile> _steps;
    private SweepSchedule _schedule;
    private int _status;

    /// <param name="memory"><see cref="ScratchBytes"/> bytes.</param>
    public CholeskySweep(SweepTask task, SweepResult wanted, void* memory)
    {
        _steps = new SweepSteps<T, TTile>(task, wanted, memory);
        _schedule = new SweepSchedule(_steps.Shape.Steps, _steps.Shape.Panels, _steps.Shape.Parts);
    }

    public static long ScratchBytes(int n) => SweepSteps<T, TTile>.ScratchBytes(n);

    /// <summary>Factors or inverts the matrix; to be called once.</summary>
    /// <param name="workers">Null to stay on the calling thread; the bits are the same.</param>
    /// <returns>0, or 1 + the index of the first pivot that is not a positive finite number.</returns>
    public int Run(WorkerPool? workers)
    {
        void* context = Unsafe.AsPointer(ref this);
        if (workers is null)
        {
            Work(context, 0);
        }
        else
        {
            workers.Run(workers.Threads, &Work, context);
        }

        return _status;
    }

    /// <summary>Writes the factor with zeros above its diagonal, where a factor was wanted and <see cref="Run"/> returned 0.</summary>
    public readonly void StoreLower() => _steps.StoreLower();

    /// <summary>Writes the factor in the form that solves read, where a factor was wanted and <see cref="Run"/> returned 0.</summary>
    /// <inheritdoc cref="Run"/>
    public readonly int StorePacked(in PackedFactor factor, WorkerPool? workers) => _steps.StorePacked(factor, workers);

    private static void Work(void* context, int thread)
    {
        ref CholeskySweep<T, TTile> sweep = ref Unsafe.AsRef<CholeskySweep<T, TTile>>(context);
        var done = default(SweepDone);
        while (sweep._schedule.TryTake(ref done, out SweepTicket ticket))
        {
            if (Volatile.Read(ref sweep._status) == 0)
            {
                sweep.Do(ticket);
            }

            done.Add(ticket);
        }
    }

    private void Do(SweepTicket ticket)
    {
        switch (ticket.Work)
        {
            case SweepWork.Factor:
                Volatile.Write(ref _status, _steps.FactorBlock(ticket.Step));
                break;
            case SweepWork.Solve:
                _steps.SolvePanel(ticket.Step, ticket.Part);
                break;
            default:
                _steps.Update(ticket.Step, ticket.Part);
                break;
        }
    }
}
