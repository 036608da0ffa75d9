using System.Runtime.CompilerServices;

namespace KFac.Kernels;

/// <summary>Hands out views of device memory that are all given back together.</summary>
/// <remarks>
/// A bump allocator over slabs. <see cref="Reset"/> makes all its memory available again and merges the slabs into one
/// that holds what was in use, so an arena that serves the same step again and again allocates nothing after the first.
/// Views made before a reset are refused by every operation afterwards. Every view starts at a 64-byte boundary.
/// Not thread-safe.
/// </remarks>
public sealed class Arena : IDisposable
{
    private const int Alignment = 64;
    private const long SmallestSlab = 64 * 1024;

    private readonly List<DeviceBuffer> _slabs = [];
    private int _current;
    private long _offset;
    private long _used;
    private bool _disposed;

    /// <summary>Makes an empty arena on <paramref name="device"/>.</summary>
    public Arena(Device device)
    {
        ArgumentNullException.ThrowIfNull(device);
        Device = device;
    }

    /// <summary>The device whose memory is handed out.</summary>
    public Device Device { get; }

    /// <summary>Bytes held, whether handed out or not.</summary>
    public long ByteCapacity { get; private set; }

    /// <summary>Bytes handed out since the last reset, rounding included.</summary>
    public long BytesInUse => _used;

    /// <summary>A vector of <paramref name="length"/> elements with undefined contents.</summary>
    /// <exception cref="OutOfMemoryException">The device has no room.</exception>
    public VectorView<T> Vector<T>(int length)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        (DeviceBuffer buffer, long offset) = Take((long)length * Unsafe.SizeOf<T>());
        return new VectorView<T>(buffer, offset, length);
    }

    /// <summary>A contiguous matrix with undefined contents.</summary>
    /// <exception cref="ArgumentException">It has more elements than an <see cref="int"/> counts.</exception>
    /// <exception cref="OutOfMemoryException">The device has no room.</exception>
    public MatrixView<T> Matrix<T>(int rows, int columns)
        where T : unmanaged
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        if ((long)rows * columns > int.MaxValue)
        {
            throw new ArgumentException($"A matrix of {rows}×{columns} has more than {int.MaxValue} elements; split the batch.");
        }

        return Vector<T>(rows * columns).AsMatrix(rows, columns);
    }

    /// <summary>Takes all memory back. Views handed out so far must not be used any more.</summary>
    public void Reset()
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        _current = 0;
        _offset = 0;
        _used = 0;
        if (_slabs.Count > 1)
        {
            long total = ByteCapacity;
            ReleaseSlabs();
            AddSlab(total);
        }

        foreach (DeviceBuffer slab in _slabs)
        {
            slab.Invalidate();
        }
    }

    /// <summary>Gives the memory back to the device.</summary>
    public void Dispose()
    {
        if (!_disposed)
        {
            _disposed = true;
            ReleaseSlabs();
        }
    }

    private (DeviceBuffer Buffer, long Offset) Take(long bytes)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        long rounded = (Math.Max(bytes, 1) + Alignment - 1) / Alignment * Alignment;
        while (_current < _slabs.Count && _offset + rounded > _slabs[_current].ByteLength)
        {
            _current++;
            _offset = 0;
        }

        if (_current == _slabs.Count)
        {
            AddSlab(Math.Max(rounded, Math.Max(SmallestSlab, ByteCapacity)));
        }

        long offset = _offset;
        _offset += rounded;
        _used += rounded;
        return (_slabs[_current], offset);
    }

    private void AddSlab(long bytes)
    {
        _slabs.Add(Device.Allocate(bytes));
        ByteCapacity += bytes;
    }

    private void ReleaseSlabs()
    {
        foreach (DeviceBuffer slab in _slabs)
        {
            slab.Dispose();
        }

        _slabs.Clear();
        ByteCapacity = 0;
    }
}
