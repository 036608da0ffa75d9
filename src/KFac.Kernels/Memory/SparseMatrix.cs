namespace KFac.Kernels;

/// <summary>A sparse matrix on a device, row by row: what a graph's adjacency, a gather or a scatter-add is to dense rows.</summary>
/// <remarks>Checked once, here, on the host; operations trust it. Entries of a row keep the order in which they were given,
/// and are added in that order; an entry that occurs twice counts twice. A row may have no entries.</remarks>
public sealed class SparseMatrix
{
    private int[] _hostOffsets = [];
    private int[] _hostIndices = [];
    private float[] _hostValues = [];

    /// <summary>Number of rows.</summary>
    public int Rows { get; private set; }

    /// <summary>Number of columns.</summary>
    public int Columns { get; private set; }

    /// <summary>Stored entries.</summary>
    public int Entries => Indices.Length;

    /// <summary>Where each row's entries begin, and the end of the last row.</summary>
    internal VectorView<int> Offsets { get; private set; }

    /// <summary>The column of each entry.</summary>
    internal VectorView<int> Indices { get; private set; }

    /// <summary>The value of each entry.</summary>
    internal VectorView<float> Values { get; private set; }

    /// <summary>Makes a matrix of entries (row, column, value) in any order.</summary>
    /// <inheritdoc cref="Refill"/>
    public static SparseMatrix FromEntries(
        DeviceStream stream,
        Arena arena,
        int rows,
        int columns,
        ReadOnlySpan<int> rowIndices,
        ReadOnlySpan<int> columnIndices,
        ReadOnlySpan<float> values = default)
    {
        var matrix = new SparseMatrix();
        matrix.Refill(stream, arena, rows, columns, rowIndices, columnIndices, values);
        return matrix;
    }

    /// <summary>Replaces shape and entries, in host memory that stays: once the sizes have settled nothing is allocated there.</summary>
    /// <remarks>Refused arguments leave the matrix as it was. What was computed with the old entries keeps its results, but what
    /// would still use them, such as a tape's backward pass, must have ended.</remarks>
    /// <param name="stream">Does the upload.</param>
    /// <param name="arena">Holds the entries on the device.</param>
    /// <param name="rowIndices">One per entry, 0 to <paramref name="rows"/> − 1.</param>
    /// <param name="columnIndices">One per entry, 0 to <paramref name="columns"/> − 1.</param>
    /// <param name="values">One per entry; empty where all are 1.</param>
    /// <exception cref="ArgumentException">Lengths differ, or an index is out of range; the message names the entry.</exception>
    public void Refill(
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
        Grow(ref _hostOffsets, rows + 1);
        Grow(ref _hostIndices, rowIndices.Length);
        Grow(ref _hostValues, rowIndices.Length);
        SortByRow(rows, rowIndices, columnIndices, values);
        (Rows, Columns) = (rows, columns);
        Offsets = Upload<int>(stream, arena, _hostOffsets.AsSpan(0, rows + 1));
        Indices = Upload<int>(stream, arena, _hostIndices.AsSpan(0, rowIndices.Length));
        Values = Upload<float>(stream, arena, _hostValues.AsSpan(0, rowIndices.Length));
    }

    /// <summary>A counting sort that keeps the order within a row.</summary>
    private void SortByRow(int rows, ReadOnlySpan<int> rowIndices, ReadOnlySpan<int> columnIndices, ReadOnlySpan<float> values)
    {
        Span<int> offsets = _hostOffsets.AsSpan(0, rows + 1);
        offsets.Clear();
        foreach (int row in rowIndices)
        {
            offsets[row + 1]++;
        }

        for (int row = 0; row < rows; row++)
        {
            offsets[row + 1] += offsets[row];
        }

        for (int i = 0; i < rowIndices.Length; i++)
        {
            int at = offsets[rowIndices[i]]++;
            _hostIndices[at] = columnIndices[i];
            _hostValues[at] = values.IsEmpty ? 1f : values[i];
        }

        // Each row's offset has moved to its end, which is where the next row begins.
        offsets[..rows].CopyTo(offsets[1..]);
        offsets[0] = 0;
    }

    private static void Grow<T>(ref T[] array, int length)
    {
        if (array.Length < length)
        {
            array = new T[Math.Max(length, array.Length * 3 / 2)];
        }
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
