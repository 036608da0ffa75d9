namespace KFac.Kernels.Cuda;

/// <summary>Device memory that an operation needs while it runs: partial sums, packed copies.</summary>
/// <remarks>
/// A stack: <see cref="Open"/> a scope, take blocks, and disposing the scope gives all of them back. The memory may then be
/// handed out again at once, since everything on one stream runs in order. Slabs are kept until the stream is disposed, so
/// that steady-state operations allocate nothing and recorded graphs keep their memory.
/// </remarks>
internal sealed class CudaScratch(Device device) : IDisposable
{
    private const int Alignment = 256;
    private const long SmallestSlab = 1 << 20;

    private readonly List<DeviceBuffer> _slabs = [];
    private int _slab;
    private long _offset;

    public Scope Open() => new(this, _slab, _offset);

    public void Dispose()
    {
        foreach (DeviceBuffer slab in _slabs)
        {
            slab.Dispose();
        }

        _slabs.Clear();
    }

    private MatrixView<float> TakeMatrix(int rows, int columns)
    {
        int stride = LaunchShape.Cover(columns, 4) * 4;
        return View(Take((long)rows * stride * sizeof(float)), rows, columns, stride);
    }

    private MatrixView<float> View(nint address, int rows, int columns, int stride)
    {
        foreach (DeviceBuffer slab in _slabs)
        {
            long offset = address - slab.Address;
            if (offset >= 0 && offset < slab.ByteLength)
            {
                return new MatrixView<float>(slab, offset, rows, columns, stride, slab.Generation);
            }
        }

        throw new InvalidOperationException("The memory was not taken here.");
    }

    private nint Take(long byteLength)
    {
        long rounded = (Math.Max(byteLength, 1) + Alignment - 1) / Alignment * Alignment;
        while (_slab < _slabs.Count && _offset + rounded > _slabs[_slab].ByteLength)
        {
            _slab++;
            _offset = 0;
        }

        if (_slab == _slabs.Count)
        {
            long held = _slabs.Sum(static slab => slab.ByteLength);
            _slabs.Add(device.Allocate(Math.Max(rounded, Math.Max(SmallestSlab, held))));
        }

        nint address = _slabs[_slab].Address + (nint)_offset;
        _offset += rounded;
        return address;
    }

    /// <summary>Blocks that are given back together.</summary>
    public readonly ref struct Scope(CudaScratch owner, int slab, long offset) : IDisposable
    {
        /// <summary>A block that starts at a 256-byte boundary, with undefined contents.</summary>
        public nint Take(long byteLength) => owner.Take(byteLength);

        /// <summary>A matrix whose rows start at multiples of 16 bytes, with undefined contents.</summary>
        public MatrixView<float> TakeMatrix(int rows, int columns) => owner.TakeMatrix(rows, columns);

        /// <summary>A matrix in memory that was taken here.</summary>
        public MatrixView<float> View(nint address, int rows, int columns, int stride) => owner.View(address, rows, columns, stride);

        public void Dispose()
        {
            owner._slab = slab;
            owner._offset = offset;
        }
    }
}
