namespace KFac.Kernels.Cpu;

/// <summary>How row-wise kernels cut a matrix into tasks: by its shape only, so results do not depend on threads.</summary>
internal static class RowTasks
{
    /// <summary>Elements a task, about.</summary>
    private const int Grain = 8 * 1024;

    // Elements of a task of a large matrix, and how many tasks make it large: every task is a stretch of memory that the processor
    // has to find and fetch ahead anew.
    private const int LargeGrain = 64 * 1024;
    private const int TasksOfLarge = 64;

    // A page: processors fetch ahead by themselves up to its end.
    private const int FetchedAhead = 1024;

    /// <summary>Tasks for a matrix; 0 when it has no rows.</summary>
    public static int Count(int rows, int columns)
    {
        int perTask = RowsPerTask(rows, columns);
        return (int)(((long)rows + perTask - 1) / perTask);
    }

    /// <summary>The rows of one task, end exclusive.</summary>
    public static (int First, int End) Rows(int task, int rows, int columns)
    {
        int perTask = RowsPerTask(rows, columns);
        int first = task * perTask;
        return (first, (int)Math.Min((long)first + perTask, rows));
    }

    /// <summary>Elements from a place in a row to the same place in the row that is worth fetching meanwhile: the next one, or of narrow rows
    /// one that is about as far away.</summary>
    public static long ElementsAhead(int columns, long stride) => RowsAhead(columns) * stride;

    /// <summary>The same in rows.</summary>
    public static int RowsAhead(int columns) => Math.Max(1, FetchedAhead / Math.Max(1, columns));

    private static int RowsPerTask(int rows, int columns)
    {
        long grain = Math.Clamp((long)rows * columns / TasksOfLarge, Grain, LargeGrain);
        return (int)Math.Max(1, grain / Math.Max(1, columns));
    }
}
