using System.Runtime.CompilerServices;

namespace KFac.Kernels;

/// <summary>A borrowed, contiguous run of elements in device memory.</summary>
/// <typeparam name="T">Element type; floating-point data is <see cref="float"/>, indices are <see cref="int"/>.</typeparam>
public readonly struct VectorView<T>
    where T : unmanaged
{
    private readonly DeviceBuffer? _buffer;
    private readonly long _byteOffset;
    private readonly int _generation;

    internal VectorView(DeviceBuffer buffer, long byteOffset, int length)
        : this(buffer, byteOffset, length, buffer.Generation)
    {
    }

    private VectorView(DeviceBuffer? buffer, long byteOffset, int length, int generation)
    {
        _buffer = buffer;
        _byteOffset = byteOffset;
        Length = length;
        _generation = generation;
    }

    /// <summary>Number of elements.</summary>
    public int Length { get; }

    /// <summary>True for a view of no elements, such as <c>default</c>.</summary>
    public bool IsEmpty => Length == 0;

    /// <summary>The buffer that is viewed; null for <c>default</c>.</summary>
    public DeviceBuffer? Buffer => _buffer;

    internal long ByteOffset => _byteOffset;

    internal int Generation => _generation;

    internal unsafe T* Pointer => _buffer is null ? null : (T*)(_buffer.Address + (nint)_byteOffset);

    /// <summary>The elements from <paramref name="start"/> on, <paramref name="length"/> of them.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The run is not inside this view.</exception>
    public VectorView<T> Slice(int start, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(start);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((long)start + length, Length, nameof(length));
        return new VectorView<T>(_buffer, _byteOffset + ((long)start * Unsafe.SizeOf<T>()), length, _generation);
    }

    /// <summary>The same elements as a row-major matrix.</summary>
    /// <exception cref="ArgumentException"><c>rows·columns</c> differs from <see cref="Length"/>.</exception>
    public MatrixView<T> AsMatrix(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        if ((long)rows * columns != Length)
        {
            throw new ArgumentException(
                $"A vector of {Length} elements cannot be viewed as {rows}×{columns}; wanted rows·columns = {Length}.");
        }

        return new MatrixView<T>(_buffer, _byteOffset, rows, columns, columns, _generation);
    }

    internal static VectorView<T> From(DeviceBuffer? buffer, long byteOffset, int length, int generation) =>
        new(buffer, byteOffset, length, generation);
}
