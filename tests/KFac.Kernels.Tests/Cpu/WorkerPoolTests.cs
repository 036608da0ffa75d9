using System.Runtime.InteropServices;
using KFac.Kernels.Cpu;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed unsafe class WorkerPoolTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void EveryTaskRunsOnce(int threads)
    {
        using var pool = new WorkerPool(threads);
        Assert.Equal(threads, pool.Threads);
        foreach (int tasks in new[] { 0, 1, 2, 3, 64, 5000 })
        {
            AssertRunsOnce(pool, tasks);
        }
    }

    [Fact]
    public void ManyShortJobsInARow()
    {
        using var pool = new WorkerPool(4);
        for (int job = 0; job < 20_000; job++)
        {
            AssertRunsOnce(pool, 2 + (job % 5));
        }
    }

    [Fact]
    public void JobsOfSeveralApplicationThreadsDoNotMix()
    {
        using var pool = new WorkerPool(3);
        var failures = new List<Exception>();
        Thread[] callers = [.. Enumerable.Range(0, 6).Select(caller => new Thread(() =>
        {
            try
            {
                for (int job = 0; job < 2000; job++)
                {
                    AssertRunsOnce(pool, 1 + ((job + caller) % 9));
                }
            }
            catch (Exception exception)
            {
                lock (failures)
                {
                    failures.Add(exception);
                }
            }
        }))];
        Array.ForEach(callers, caller => caller.Start());
        Assert.All(callers, caller => Assert.True(caller.Join(Patience)));
        Assert.Empty(failures);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void ATasksExceptionReachesTheCallerAndThePoolGoesOn(int threads)
    {
        using var pool = new WorkerPool(threads);
        for (int i = 0; i < 100; i++)
        {
            var thrown = Assert.Throws<InvalidOperationException>(() => pool.Run(40, &ThrowAtSeven, null));
            Assert.Equal("task 7", thrown.Message);
            AssertRunsOnce(pool, 40);
        }
    }

    [Fact]
    public void IdleWorkersParkAndWakeAgain()
    {
        using var pool = new WorkerPool(5);
        for (int i = 0; i < 20; i++)
        {
            Assert.True(SpinWait.SpinUntil(() => pool.ParkedWorkers == 4, Patience));
            AssertRunsOnce(pool, 50);
        }
    }

    [Fact]
    public void PoolsAreIndependent()
    {
        using var first = new WorkerPool(3);
        using var second = new WorkerPool(3);
        GCHandle handle = GCHandle.Alloc(second);
        first.Run(10, &RunInnerJob, (void*)GCHandle.ToIntPtr(handle));
        handle.Free();
        second.Dispose();
        AssertRunsOnce(first, 100);
    }

    [Fact]
    public void DisposeEndsTheThreadsAndRefusesJobs()
    {
        var pool = new WorkerPool(3);
        AssertRunsOnce(pool, 10);
        pool.Dispose();
        pool.Dispose();
        Assert.Throws<ObjectDisposedException>(() => AssertRunsOnce(pool, 10));
    }

    [Fact]
    public void StartingAJobAllocatesNothing()
    {
        using var pool = new WorkerPool(2);
        int* counts = stackalloc int[64];
        pool.Run(64, &Count, counts);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            pool.Run(64, &Count, counts);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    private static void AssertRunsOnce(WorkerPool pool, int tasks)
    {
        int* counts = stackalloc int[tasks + 1];
        new Span<int>(counts, tasks + 1).Clear();
        pool.Run(tasks, &Count, counts);
        Assert.Equal(-1, new Span<int>(counts, tasks).IndexOfAnyExcept(1));
        Assert.Equal(0, counts[tasks]);
    }

    private static void Count(void* context, int task) => Interlocked.Increment(ref ((int*)context)[task]);

    private static void ThrowAtSeven(void* context, int task)
    {
        if (task == 7)
        {
            throw new InvalidOperationException($"task {task}");
        }
    }

    private static void RunInnerJob(void* context, int task)
    {
        var pool = (WorkerPool)GCHandle.FromIntPtr((nint)context).Target!;
        AssertRunsOnce(pool, 20);
    }
}
