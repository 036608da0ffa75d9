namespace KFac.Kernels;

/// <summary>A sparse matrix on a device, row by row: what a graph's adjacency, a gather or a scatter-add is to dense rows.</summary>
/// <remarks>Checked once, here, on the host; operations trust it. Entries of a row keep the order in which they were given,
/// and are added in that order; an entry that occurs twice counts twice. A row may have no entries.</remarks>
public sealed class SparseMatrix
{
    private SparseMatrix(int rows, int columns, VectorView<int> offsets, VectorView<int> indices, VectorView<float> values)
    {
        Rows = rows;
        Columns = columns;
        Offsets = offsets;
        Indices = indices;
        Values = values;
    }

    /// <summary>Number of rows.</summary>
    public int Rows { get; }

    /// <summary>Number of columns.</summary>
    public int Columns { get; }

    /// <summary>Stored entries.</summary>
    public int Entries => Indices.Length;

    /// <summary>Where each row's entries begin, and the end of the last row.</summary>
    internal VectorView<int> Offsets { get; }

    /// <summary>The column of each entry.</summary>
    internal VectorView<int> Indices { get; }

    /// <summary>The value of each entry.</summary>
    internal VectorView<float> Values { get; }

    /// <summary>Makes a matrix of entries (row, column, value) in any order.</summary>
    /// <param name="stream">Does the upload.</param>
    /// <param name="arena">Holds the entries on the device.</param>
    /// <param name="rowIndices">One per entry, 0 to <paramref name="rows"/> − 1.</param>
    /// <param name="columnIndices">One per entry, 0 to <paramref name="columns"/> − 1.</param>
    /// <param name="values">One per entry; empty where all are 1.</param>
    /// <exception cref="ArgumentException">Lengths differ, or an index is out of range; the message names the entry.</exception>
    public static SparseMatrix FromEntries(
        DeviceStream stream,
        Arena arena,
        int rows,
        int columns,
        ReadOnlySpan<int> rowIndices,
        ReadOnlySpan<int> columnIndices,
        ReadOnlySpan<float> values = default)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(arena);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        Check.Same(columnIndices.Length, rowIndices.Length, "number of column indices", "number of row indices");
        if (!values.IsEmpty)
        {
            Check.Same(values.Length, rowIndices.Length, "number of values", "number of row indices");
        }

        CheckRange(rowIndices, rows, "row");
        CheckRange(columnIndices, columns, "column");
        int[] offsets = CountRows(rowIndices, rows);
        var indices = new int[rowIndices.Length];
        var sorted = new float[rowIndices.Length];
        int[] next = offsets.AsSpan(0, rows).ToArray();
        for (int i = 0; i < rowIndices.Length; i++)
        {
            int at = next[rowIndices[i]]++;
            indices[at] = columnIndices[i];
            sorted[at] = values.IsEmpty ? 1f : values[i];
        }

        return new SparseMatrix(
            rows, columns, Upload<int>(stream, arena, offsets), Upload<int>(stream, arena, indices), Upload<float>(stream, arena, sorted));
    }

    private static int[] CountRows(ReadOnlySpan<int> rowIndices, int rows)
    {
        var offsets = new int[rows + 1];
        foreach (int row in rowIndices)
        {
            offsets[row + 1]++;
        }

        for (int row = 0; row < rows; row++)
        {
            offsets[row + 1] += offsets[row];
        }

        return offsets;
    }

    private static void CheckRange(ReadOnlySpan<int> indices, int size, string name)
    {
        int at = indices.IndexOfAnyExceptInRange(0, size - 1);
        if (at >= 0)
        {
            throw new ArgumentException($"The {name} index of entry {at} is {indices[at]}; wanted 0 to {size - 1}.");
        }
    }

    private static VectorView<T> Upload<T>(DeviceStream stream, Arena arena, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        VectorView<T> view = arena.Vector<T>(values.Length);
        stream.Upload(values, view);
        return view;
    }
}
