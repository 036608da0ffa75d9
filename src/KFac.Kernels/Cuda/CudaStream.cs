using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>A queue of a GPU, with the launchers that put work into it.</summary>
internal sealed unsafe class CudaStream : DeviceStream
{
    public CudaStream(CudaDevice device)
        : base(device)
    {
        Device = device;
        Queue = device.Runtime.CreateQueue();
        Scratch = new CudaScratch(device);
        Kernels = CudaKernels.Create(this);
    }

    public new CudaDevice Device { get; }

    public GpuQueue Queue { get; }

    public GpuProperties Properties => Device.Properties;

    /// <summary>Memory that operations on this stream need while they run.</summary>
    public CudaScratch Scratch { get; }

    internal override KernelTable Kernels { get; }

    public override void Synchronize() => Queue.Synchronize();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Queue.Dispose();
            Scratch.Dispose();
        }
    }

    private protected override void UploadCore<T>(ReadOnlySpan<T> source, VectorView<T> destination) =>
        Queue.CopyToDevice(MemoryMarshal.AsBytes(source), (nint)destination.Pointer);

    private protected override void DownloadCore<T>(VectorView<T> source, Span<T> destination) =>
        Queue.CopyToHost((nint)source.Pointer, MemoryMarshal.AsBytes(destination));
}
