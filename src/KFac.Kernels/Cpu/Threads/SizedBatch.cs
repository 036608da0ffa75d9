namespace KFac.Kernels.Cpu;

/// <summary>One matrix of a batch of factorisations.</summary>
internal interface ISizedTask
{
    /// <summary>n of an n×n matrix.</summary>
    int Size { get; }
}

/// <summary>How a batch of factorisations is spread over the threads: largest first.</summary>
/// <remarks>Where there are at least as many small items as threads, each is one task; every other item is taken in turn
/// and, unless tiny, cut up among the threads. An item's bits do not depend on which.</remarks>
internal static class SizedBatch
{
    /// <summary>From this size on, an item keeps all threads busy by itself.</summary>
    private const int LargeSize = 512;

    /// <summary>Below this size, waking a worker costs more than it saves.</summary>
    private const int SmallSize = 128;

    /// <summary>Sorts the items by size, largest first; returns how many of them, from the front, are taken in turn.</summary>
    public static int Order<TTask>(Span<TTask> tasks, int threads)
        where TTask : unmanaged, ISizedTask
    {
        tasks.Sort(static (left, right) => right.Size.CompareTo(left.Size));
        int large = 0;
        while (large < tasks.Length && tasks[large].Size >= LargeSize)
        {
            large++;
        }

        return tasks.Length - large >= threads ? large : tasks.Length;
    }

    /// <summary>Whether an item that is taken in turn is worth cutting up.</summary>
    public static bool IsCutUp(int size) => size >= SmallSize;
}
