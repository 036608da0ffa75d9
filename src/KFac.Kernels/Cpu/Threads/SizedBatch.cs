using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

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
internal static unsafe class SizedBatch
{
    /// <summary>From this size on, an item keeps all threads busy by itself.</summary>
    private const int LargeSize = 512;

    /// <summary>Below this size, waking a worker costs more than it saves.</summary>
    private const int SmallSize = 128;

    /// <summary>Solves all items of a batch.</summary>
    /// <param name="tasks">Outside of the managed heap; they are sorted by size, largest first.</param>
    /// <param name="context">What solving takes besides the item.</param>
    /// <param name="solve">Solves one item, which is cut up among the workers or not.</param>
    public static void Run<TTask, TContext>(
        WorkerPool workers, Span<TTask> tasks, TContext context, delegate*<TContext, bool, in TTask, void> solve)
        where TTask : unmanaged, ISizedTask
    {
        int single = Order(tasks, workers.Threads);
        for (int i = 0; i < single; i++)
        {
            solve(context, tasks[i].Size >= SmallSize, tasks[i]);
        }

        Span<TTask> rest = tasks[single..];
        var job = new Job<TTask, TContext>((TTask*)Unsafe.AsPointer(ref MemoryMarshal.GetReference(rest)), context, solve);
        workers.Run(rest.Length, &Job<TTask, TContext>.Run, Unsafe.AsPointer(ref job));
    }

    /// <summary>Sorts the items by size, largest first; returns how many of them, from the front, are taken in turn.</summary>
    private static int Order<TTask>(Span<TTask> tasks, int threads)
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

    /// <summary>Items that are a task each.</summary>
    private readonly struct Job<TTask, TContext>(TTask* tasks, TContext context, delegate*<TContext, bool, in TTask, void> solve)
        where TTask : unmanaged, ISizedTask
    {
        public static void Run(void* context, int task)
        {
            ref readonly Job<TTask, TContext> job = ref Unsafe.AsRef<Job<TTask, TContext>>(context);
            job.Run(task);
        }

        private void Run(int task) => solve(context, false, tasks[task]);
    }
}
