using System.Collections.Concurrent;
using KFac.Kernels.Cpu;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed class SweepScheduleTests
{
    [Fact]
    public void OneThreadTakesTheStepsInOrderAndFactorsAhead()
    {
        var schedule = new SweepSchedule(2, 2, 3);
        SweepTicket[] order =
        [
            new(SweepWork.Factor, 0, 0),
            .. Step(0),
            .. Step(1),
        ];
        var done = default(SweepDone);
        foreach (SweepTicket expected in order)
        {
            Assert.True(schedule.TryTake(ref done, out SweepTicket ticket));
            Assert.Equal(expected, ticket);
            done.Add(ticket);
        }

        Assert.False(schedule.TryTake(ref done, out _));
        Assert.Equal(0, done.Count);
        Assert.False(schedule.TryTake(ref done, out _));

        static SweepTicket[] Step(int step) =>
        [
            new(SweepWork.Solve, step, 0), new(SweepWork.Solve, step, 1),
            new(SweepWork.Factor, step + 1, 0),
            new(SweepWork.Update, step, 0), new(SweepWork.Update, step, 1), new(SweepWork.Update, step, 2),
        ];
    }

    [Theory]
    [InlineData(1, 1, 1, 1)]
    [InlineData(2, 1, 1, 1)]
    [InlineData(2, 9, 4, 3)]
    [InlineData(3, 40, 1, 7)]
    [InlineData(7, 25, 5, 2)]
    [InlineData(7, 1, 30, 30)]
    public void EveryTicketIsTakenOnceAndOnlyWhenItsWorkCanBeDone(int threads, int steps, int panels, int updates)
    {
        var shared = new Shared { Schedule = new SweepSchedule(steps, panels, updates) };
        var done = new ConcurrentDictionary<SweepTicket, bool>();
        var problems = new ConcurrentQueue<string>();
        Thread[] workers = [.. Enumerable.Range(0, threads).Select(_ => new Thread(Work))];
        Array.ForEach(workers, static worker => worker.Start());
        Array.ForEach(workers, static worker => worker.Join());
        Assert.Empty(problems);
        Assert.Equal(1 + (steps * (panels + 1 + updates)), done.Count);

        void Work()
        {
            var own = default(SweepDone);
            while (shared.Schedule.TryTake(ref own, out SweepTicket ticket))
            {
                foreach (SweepTicket missing in Needs(ticket).Where(needed => !done.ContainsKey(needed)))
                {
                    problems.Enqueue($"{ticket} before {missing}");
                }

                if (!done.TryAdd(ticket, true))
                {
                    problems.Enqueue($"{ticket} twice");
                }

                own.Add(ticket);
            }
        }

        IEnumerable<SweepTicket> Needs(SweepTicket ticket)
        {
            int before = ticket.Step - 1;
            return ticket.Work switch
            {
                SweepWork.Factor => Solved(before),
                SweepWork.Solve => [.. Updated(before), new SweepTicket(SweepWork.Factor, ticket.Step, 0)],
                _ => Solved(ticket.Step),
            };
        }

        IEnumerable<SweepTicket> Solved(int step) => All(SweepWork.Solve, step, panels);

        IEnumerable<SweepTicket> Updated(int step) => All(SweepWork.Update, step, updates);

        static IEnumerable<SweepTicket> All(SweepWork work, int step, int count) =>
            Enumerable.Range(0, step < 0 ? 0 : count).Select(part => new SweepTicket(work, step, part));
    }

    private sealed class Shared
    {
        public SweepSchedule Schedule;
    }
}
