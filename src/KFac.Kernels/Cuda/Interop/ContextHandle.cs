using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>A device's primary context, which this process shares with every other user of the device in it.</summary>
internal sealed class ContextHandle : SafeHandle
{
    private readonly int _device;

    private ContextHandle(int device)
        : base(0, ownsHandle: true) => _device = device;

    public override bool IsInvalid => handle == 0;

    /// <summary>Retains the context.</summary>
    public static ContextHandle Retain(int device)
    {
        var context = new ContextHandle(device);
        DriverCall.Check(Driver.cuDevicePrimaryCtxRetain(out nint value, device));
        context.SetHandle(value);
        return context;
    }

    /// <summary>Makes the context current on this thread until the scope is disposed; the one before is current again then.</summary>
    public Scope Enter()
    {
        ObjectDisposedException.ThrowIf(IsClosed, this);
        DriverCall.Check(Driver.cuCtxPushCurrent(handle));
        return default;
    }

    /// <summary>As <see cref="Enter"/> where nothing may be thrown; true asks for a call of <see cref="Leave"/>.</summary>
    public bool TryEnter() => Driver.cuCtxPushCurrent(handle) == DriverResult.Success;

    /// <summary>Makes current what was before.</summary>
    public static void Leave() => Driver.cuCtxPopCurrent(out _);

    protected override bool ReleaseHandle() => Driver.cuDevicePrimaryCtxRelease(_device) == DriverResult.Success;

    /// <summary>The time in which a context is current.</summary>
    public readonly ref struct Scope : IDisposable
    {
        public void Dispose() => Leave();
    }
}
