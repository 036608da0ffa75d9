namespace KFac.Kernels;

/// <summary>Where arithmetic happens: memory, streams and the kernels that run on them.</summary>
/// <remarks>
/// A device is opened by name (<see cref="Open"/>) and owns threads or driver resources until disposed. Devices share no
/// state. Operations (<see cref="Gemm"/>, <see cref="Gram"/>, …) run on the device of the stream they are given; one
/// that the device lacks throws <see cref="KernelMissingException"/>, never falls back to another device.
/// </remarks>
public abstract class Device : IDisposable
{
    /// <summary>Short name, for example <c>cpu</c>: what <see cref="Open"/> takes.</summary>
    public abstract string Name { get; }

    /// <summary>For people: model, instruction set or compute capability, threads or multiprocessors.</summary>
    public abstract string Description { get; }

    /// <summary>Host threads that work on an operation, the caller's included; 1 where the hardware is not the processor.</summary>
    public abstract int Threads { get; }

    /// <summary>The stream that work goes to when the caller does not make one.</summary>
    public abstract DeviceStream DefaultStream { get; }

    /// <summary>Whether it has shapes only, no memory and no arithmetic: see <see cref="OpenPlan"/>.</summary>
    public virtual bool IsPlan => false;

    /// <summary>True once the device has been disposed; it then refuses work and memory, while its buffers can still be given back.</summary>
    public bool IsDisposed { get; private set; }

    /// <summary>The kernels this device offers.</summary>
    internal abstract KernelTable Kernels { get; }

    /// <summary>The devices of this machine, with the reason where one cannot be used.</summary>
    public static IReadOnlyList<DeviceInfo> Enumerate() => DeviceCatalog.Enumerate();

    /// <summary>Opens a device.</summary>
    /// <param name="name"><c>cpu</c>, <c>cuda</c>, or <c>auto</c> for the fastest that is present and has every operation: the processor, as yet.</param>
    /// <param name="options">Threads and the like; null for the defaults.</param>
    /// <exception cref="ArgumentException">There is no device of that name, or the options are not valid.</exception>
    /// <exception cref="DeviceUnavailableException">The device is known but cannot be used here; the message says why.</exception>
    public static Device Open(string name, DeviceOptions? options = null) =>
        DeviceCatalog.Open(name, options ?? new DeviceOptions());

    /// <summary>Opens a device that checks shapes and hands out views, but has no memory and computes nothing: arenas on it count what a
    /// network's forward and backward passes would take. Reading from it throws <see cref="InvalidOperationException"/>, and what it lacks,
    /// as everywhere, <see cref="KernelMissingException"/>.</summary>
    public static Device OpenPlan() => new Planning.PlanningDevice();

    /// <summary>Allocates a block that starts at a 64-byte boundary.</summary>
    /// <exception cref="OutOfMemoryException">The device has no room; the device stays usable.</exception>
    /// <exception cref="ObjectDisposedException">The device has been disposed.</exception>
    public DeviceBuffer Allocate(long byteLength)
    {
        ObjectDisposedException.ThrowIf(IsDisposed, this);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(byteLength);
        return new DeviceBuffer(this, AllocateCore(byteLength), byteLength);
    }

    /// <summary>A stream of its own for independent work.</summary>
    public abstract DeviceStream CreateStream();

    /// <inheritdoc/>
    public void Dispose()
    {
        IsDisposed = true;
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Gives back a block; called once per block, possibly after the device was disposed.</summary>
    internal abstract void Free(nint address, long byteLength);

    /// <summary>Releases what the device holds besides buffers.</summary>
    protected abstract void Dispose(bool disposing);

    private protected abstract nint AllocateCore(long byteLength);
}
