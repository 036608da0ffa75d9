namespace KFac.Kernels.Cpu;

/// <summary>How row-wise kernels cut a matrix into tasks: by its shape only, so results do not depend on threads.</summary>
internal static class RowTasks
{
    /// <summary>Elements a task, about.</summary>
    private const int Grain = 8 * 1024;

    /// <summary>Tasks for a matrix; 0 when it has no rows.</summary>
    public static int Count(int rows, int columns) => (int)(((long)rows + RowsPerTask(columns) - 1) / RowsPerTask(columns));

    /// <summary>The rows of one task, end exclusive.</summary>
    public static (int First, int End) Rows(int task, int rows, int columns)
    {
        int first = task * RowsPerTask(columns);
        return (first, (int)Math.Min((long)first + RowsPerTask(columns), rows));
    }

    private static int RowsPerTask(int columns) => Math.Max(1, Grain / Math.Max(1, columns));
}
