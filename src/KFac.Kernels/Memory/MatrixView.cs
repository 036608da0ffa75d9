using System.Runtime.CompilerServices;

namespace KFac.Kernels;

/// <summary>A borrowed row-major matrix in device memory; rows may lie further apart than they are long.</summary>
/// <typeparam name="T">Element type.</typeparam>
public readonly struct MatrixView<T>
    where T : unmanaged
{
    private readonly DeviceBuffer? _buffer;
    private readonly long _byteOffset;
    private readonly int _generation;

    internal MatrixView(DeviceBuffer? buffer, long byteOffset, int rows, int columns, int rowStride, int generation)
    {
        _buffer = buffer;
        _byteOffset = byteOffset;
        Rows = rows;
        Columns = columns;
        RowStride = rowStride;
        _generation = generation;
    }

    /// <summary>Number of rows.</summary>
    public int Rows { get; }

    /// <summary>Number of columns.</summary>
    public int Columns { get; }

    /// <summary>Elements from the start of one row to the start of the next, at least <see cref="Columns"/>.</summary>
    public int RowStride { get; }

    /// <summary>True when there are no elements.</summary>
    public bool IsEmpty => Rows == 0 || Columns == 0;

    /// <summary>True when the rows follow each other without gaps.</summary>
    public bool IsContiguous => RowStride == Columns || Rows <= 1;

    /// <summary>The buffer that is viewed; null for <c>default</c>.</summary>
    public DeviceBuffer? Buffer => _buffer;

    internal long ByteOffset => _byteOffset;

    internal int Generation => _generation;

    internal unsafe T* Pointer => _buffer is null ? null : (T*)(_buffer.Address + (nint)_byteOffset);

    /// <summary>The block of <paramref name="rows"/>×<paramref name="columns"/> that starts at the given element.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The block is not inside this view.</exception>
    public MatrixView<T> Slice(int row, int column, int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfNegative(column);
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)row + rows, Rows, nameof(rows));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)column + columns, Columns, nameof(columns));
        long offset = _byteOffset + ((((long)row * RowStride) + column) * Unsafe.SizeOf<T>());
        return new MatrixView<T>(_buffer, offset, rows, columns, RowStride, _generation);
    }

    /// <summary>Rows <paramref name="start"/> to <paramref name="start"/> + <paramref name="count"/>.</summary>
    public MatrixView<T> RowRange(int start, int count) => Slice(start, 0, count, Columns);

    /// <summary>One row.</summary>
    public VectorView<T> Row(int row)
    {
        MatrixView<T> slice = Slice(row, 0, 1, Columns);
        return VectorView<T>.From(slice._buffer, slice._byteOffset, Columns, _generation);
    }

    /// <summary>All elements as one vector.</summary>
    /// <exception cref="InvalidOperationException">The rows have gaps between them.</exception>
    public VectorView<T> AsVector()
    {
        if (!IsContiguous)
        {
            throw new InvalidOperationException(
                $"A {Rows}×{Columns} view with row stride {RowStride} is not contiguous; copy it first.");
        }

        return VectorView<T>.From(_buffer, _byteOffset, checked(Rows * Columns), _generation);
    }

    /// <summary>The same contiguous elements under another shape.</summary>
    public MatrixView<T> Reshape(int rows, int columns) => AsVector().AsMatrix(rows, columns);

    /// <summary>Shape and stride for messages, for example <c>12×7 (row stride 9)</c>.</summary>
    public override string ToString() =>
        IsContiguous ? $"{Rows}×{Columns}" : $"{Rows}×{Columns} (row stride {RowStride})";
}
