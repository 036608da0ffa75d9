namespace KFac.Kernels.Cpu;

/// <summary>What a ticket of a <see cref="SweepSchedule"/> asks for.</summary>
internal enum SweepWork
{
    /// <summary>Update the step's diagonal block by the step before, and factor it.</summary>
    Factor,

    /// <summary>Solve one panel with the diagonal block.</summary>
    Solve,

    /// <summary>Add products of solved panels to one part of the triangle.</summary>
    Update,
}

/// <summary>One piece of a sweep's work.</summary>
/// <param name="Step">Of the sweep.</param>
/// <param name="Part">Number of the panel or of the part of the triangle.</param>
internal readonly record struct SweepTicket(SweepWork Work, int Step, int Part);

/// <summary>Hands the work of a blocked sweep to any number of threads in one order, and makes it wait for what it needs.</summary>
/// <remarks>
/// A step is: solve every panel, factor the next step's diagonal block, update every part of the triangle. So one
/// thread factors ahead while the others update, and no thread waits at a barrier of the pool. A ticket waits, spinning, only
/// for earlier tickets, and those are in the hands of running threads: there is no deadlock, and a thread that comes late
/// is not waited for.
/// </remarks>
/// <param name="steps">Steps of the sweep.</param>
/// <param name="panels">Panels to be solved in a step.</param>
/// <param name="updates">Parts to be updated in a step.</param>
internal struct SweepSchedule(int steps, int panels, int updates)
{
    private const int SpinsBeforeYielding = 2000;

    private readonly int _ticketsPerStep = panels + 1 + updates;
    private int _next;
    private int _factored;
    private int _solved;
    private int _updated;

    /// <summary>Takes the next ticket and waits until its work can be done; false when there is none.</summary>
    public bool TryTake(out SweepTicket ticket)
    {
        int number = Interlocked.Increment(ref _next) - 2;
        ticket = number < 0 ? new SweepTicket(SweepWork.Factor, 0, 0) : At(number / _ticketsPerStep, number % _ticketsPerStep);
        if (number >= steps * _ticketsPerStep)
        {
            return false;
        }

        switch (ticket.Work)
        {
            case SweepWork.Factor:
                WaitFor(ref _solved, ticket.Step * panels);
                break;
            case SweepWork.Solve:
                WaitFor(ref _factored, ticket.Step + 1);
                WaitFor(ref _updated, ticket.Step * updates);
                break;
            default:
                WaitFor(ref _solved, (ticket.Step + 1) * panels);
                break;
        }

        return true;
    }

    /// <summary>Lets the work go on that waits for this.</summary>
    public void Complete(SweepWork work)
    {
        switch (work)
        {
            case SweepWork.Factor:
                Interlocked.Increment(ref _factored);
                break;
            case SweepWork.Solve:
                Interlocked.Increment(ref _solved);
                break;
            default:
                Interlocked.Increment(ref _updated);
                break;
        }
    }

    private readonly SweepTicket At(int step, int index)
    {
        if (index < panels)
        {
            return new SweepTicket(SweepWork.Solve, step, index);
        }

        return index == panels
            ? new SweepTicket(SweepWork.Factor, step + 1, 0)
            : new SweepTicket(SweepWork.Update, step, index - panels - 1);
    }

    private static void WaitFor(ref int counter, int value)
    {
        for (int spin = 0; Volatile.Read(ref counter) < value; spin++)
        {
            if (spin < SpinsBeforeYielding)
            {
                Thread.SpinWait(1);
            }
            else
            {
                Thread.Yield();
            }
        }
    }
}
