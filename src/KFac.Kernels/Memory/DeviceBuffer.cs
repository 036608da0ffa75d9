namespace KFac.Kernels;

/// <summary>A block of device memory. Owned by whoever allocated it; views borrow it.</summary>
/// <remarks>
/// The block starts at a 64-byte boundary. Its contents are undefined until written. Disposing it, or resetting the
/// arena that owns it, invalidates every view of it: operations then refuse the view with an
/// <see cref="ObjectDisposedException"/> or an <see cref="InvalidOperationException"/>.
/// </remarks>
public sealed class DeviceBuffer : IDisposable
{
    private nint _address;

    internal DeviceBuffer(Device device, nint address, long byteLength)
    {
        Device = device;
        _address = address;
        ByteLength = byteLength;
    }

    /// <summary>Releases the block when it was never disposed.</summary>
    ~DeviceBuffer() => Release();

    /// <summary>The device that holds the block.</summary>
    public Device Device { get; }

    /// <summary>Size in bytes.</summary>
    public long ByteLength { get; }

    /// <summary>True once the memory has been given back.</summary>
    public bool IsDisposed => Volatile.Read(ref _address) == 0;

    /// <summary>Counts the times the owning arena has been reset; a view remembers the count it was made at.</summary>
    internal int Generation { get; private set; }

    internal nint Address
    {
        get
        {
            nint address = Volatile.Read(ref _address);
            ObjectDisposedException.ThrowIf(address == 0, this);
            return address;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    internal void Invalidate() => Generation++;

    private void Release()
    {
        nint address = Interlocked.Exchange(ref _address, 0);
        if (address != 0)
        {
            Device.Free(address, ByteLength);
        }
    }
}
