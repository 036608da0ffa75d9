using KFac.Kernels.Cpu;
using Xunit;

namespace KFac.Kernels.Tests;

public sealed unsafe class ScratchPoolTests
{
    [Fact]
    public void BlocksAreAlignedLargeEnoughAndApart()
    {
        using var pool = new ScratchPool();
        using ScratchLease first = pool.Rent(1);
        using ScratchLease second = pool.Rent(10_000);
        using ScratchLease third = pool.Rent(0);
        Assert.Equal(0, (nint)first.As<byte>() % 64);
        Assert.Equal(0, (nint)second.As<byte>() % 64);
        Assert.True(second.Bytes >= 10_000);
        new Span<byte>(first.As<byte>(), (int)first.Bytes).Fill(1);
        new Span<byte>(second.As<byte>(), (int)second.Bytes).Fill(2);
        new Span<byte>(third.As<byte>(), (int)third.Bytes).Fill(3);
        Assert.Equal(1, *first.As<byte>());
        Assert.Equal(-1, new Span<byte>(second.As<byte>(), 10_000).IndexOfAnyExcept((byte)2));
    }

    [Fact]
    public void ReturnedBlocksServeAgainAndTheSmallestThatFitsIsTaken()
    {
        using var pool = new ScratchPool();
        nint small;
        nint large;
        using (ScratchLease first = pool.Rent(4000))
        using (ScratchLease second = pool.Rent(100_000))
        {
            (small, large) = ((nint)first.As<byte>(), (nint)second.As<byte>());
        }

        using ScratchLease again = pool.Rent(100);
        using ScratchLease largeAgain = pool.Rent(50_000);
        Assert.Equal(small, (nint)again.As<byte>());
        Assert.Equal(large, (nint)largeAgain.As<byte>());
    }

    [Fact]
    public void SteadyUseAllocatesNothingAndThreadsDoNotShareBlocks()
    {
        using var pool = new ScratchPool();
        var failures = 0;
        Thread[] threads = [.. Enumerable.Range(0, 4).Select(id => new Thread(() =>
        {
            for (int i = 0; i < 3000; i++)
            {
                using ScratchLease lease = pool.Rent(64 * (1 + ((i + id) % 100)));
                int* values = lease.As<int>();
                new Span<int>(values, 16).Fill(id);
                Thread.Yield();
                if (new Span<int>(values, 16).IndexOfAnyExcept(id) >= 0)
                {
                    Interlocked.Increment(ref failures);
                }
            }
        }))];
        Array.ForEach(threads, thread => thread.Start());
        Array.ForEach(threads, thread => thread.Join());
        Assert.Equal(0, failures);

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            using ScratchLease lease = pool.Rent(6000);
        }

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Blocks_that_are_out_together_for_the_first_time_allocate_nothing_managed()
    {
        using var pool = new ScratchPool();
        RentTogether(pool, 1);
        long before = GC.GetAllocatedBytesForCurrentThread();

        RentTogether(pool, 100);

        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void ALeaseMayOutliveThePool()
    {
        var pool = new ScratchPool();
        ScratchLease lease = pool.Rent(100);
        pool.Dispose();
        *lease.As<byte>() = 1;
        lease.Dispose();
    }

    private static void RentTogether(ScratchPool pool, int count)
    {
        if (count > 0)
        {
            using ScratchLease lease = pool.Rent(64);
            RentTogether(pool, count - 1);
        }
    }
}
