using System.Runtime.InteropServices;

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

/// <summary>Tickets of one kind and step that a thread has done since it last told the others.</summary>
internal struct SweepDone
{
    public SweepTicket Last;
    public int Count;

    public void Add(SweepTicket ticket)
    {
        Last = ticket;
        Count++;
    }
}

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
    private Counters _counters;

    /// <summary>Takes the next ticket and waits until its work can be done; false when there is none.</summary>
    /// <param name="done">What the thread has done and not told; others are told here once it is of another kind or step than the ticket,
    /// since nobody waits for less: so the counters are passed from thread to thread once for many tickets.</param>
    public bool TryTake(ref SweepDone done, out SweepTicket ticket)
    {
        int number = Interlocked.Increment(ref _counters.Next) - 2;
        ticket = number < 0 ? new SweepTicket(SweepWork.Factor, 0, 0) : At(number / _ticketsPerStep, number % _ticketsPerStep);
        if (done.Count > 0 && (done.Last.Work != ticket.Work || done.Last.Step != ticket.Step))
        {
            Complete(ref done);
        }

        if (number >= steps * _ticketsPerStep)
        {
            return false;
        }

        switch (ticket.Work)
        {
            case SweepWork.Factor:
                WaitFor(ref _counters.Solved, ticket.Step * panels);
                break;
            case SweepWork.Solve:
                WaitFor(ref _counters.Factored, ticket.Step + 1);
                WaitFor(ref _counters.Updated, ticket.Step * updates);
                break;
            default:
                WaitFor(ref _counters.Solved, (ticket.Step + 1) * panels);
                break;
        }

        return true;
    }

    /// <summary>Lets the work go on that waits for this.</summary>
    private void Complete(ref SweepDone done)
    {
        switch (done.Last.Work)
        {
            case SweepWork.Factor:
                Interlocked.Add(ref _counters.Factored, done.Count);
                break;
            case SweepWork.Solve:
                Interlocked.Add(ref _counters.Solved, done.Count);
                break;
            default:
                Interlocked.Add(ref _counters.Updated, done.Count);
                break;
        }

        done = default;
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

    /// <summary>Next apart from what threads wait for, and both apart from what does not change.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 192)]
    private struct Counters
    {
        [FieldOffset(64)]
        public int Next;

        [FieldOffset(128)]
        public int Factored;

        [FieldOffset(132)]
        public int Solved;

        [FieldOffset(136)]
        public int Updated;
    }
}
