namespace KFac.Kernels.Cuda;

/// <summary>What the CUDA device needs of hardware: memory and queues. The driver is one; the tests run the same kernels on the
/// host as another.</summary>
/// <remarks>Memory may be allocated and freed from any thread. A queue belongs to one thread at a time.</remarks>
internal abstract class GpuRuntime : IDisposable
{
    /// <summary>What the hardware is.</summary>
    public abstract GpuProperties Properties { get; }

    /// <summary>Memory that starts at a 256-byte boundary, with undefined contents, usable on every queue at once.</summary>
    /// <exception cref="DeviceOutOfMemoryException">There is no room; the runtime stays usable.</exception>
    public abstract nint Allocate(long byteLength);

    /// <summary>Gives memory back once work given so far on any queue is done with it. Called once a block, from any thread,
    /// possibly after the runtime was disposed.</summary>
    public abstract void Free(nint address);

    /// <summary>Describes matrices for bulk copies: where the properties say <see cref="GpuProperties.IsHopper"/>. The memory need
    /// not be held; what a kernel copies by the map must be.</summary>
    /// <param name="shape">One that <see cref="TensorMapShape.Fits"/>.</param>
    public abstract TensorMap EncodeTensorMap(in TensorMapShape shape);

    /// <summary>A queue of its own; disposed before the runtime.</summary>
    public abstract GpuQueue CreateQueue();

    /// <summary>Releases the hardware; memory still held is released with the last block.</summary>
    public abstract void Dispose();
}
