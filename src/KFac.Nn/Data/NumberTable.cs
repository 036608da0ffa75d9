namespace KFac.Nn;

/// <summary>A table of numbers that was read from a file.</summary>
/// <param name="Path">The file, for messages.</param>
/// <param name="Values">Row-major, <c>Rows·Columns</c>.</param>
internal sealed record NumberTable<T>(string Path, int Rows, int Columns, T[] Values)
    where T : struct
{
    /// <summary>One row.</summary>
    public ReadOnlySpan<T> Row(int row) => Values.AsSpan(row * Columns, Columns);

    /// <summary>Refuses a table of another height.</summary>
    /// <param name="rows">Rows that are wanted.</param>
    /// <param name="because">Why so many, for the message.</param>
    public NumberTable<T> WithRows(int rows, string because) => Rows == rows
        ? this
        : throw new InvalidDataException($"{Path} has {Rows} rows; wanted {rows}, {because}.");
}
