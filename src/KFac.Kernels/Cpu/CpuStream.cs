namespace KFac.Kernels.Cpu;

/// <summary>A queue that runs work at once, on the caller's thread and the device's workers.</summary>
internal sealed unsafe class CpuStream(CpuDevice device) : DeviceStream(device)
{
    public override void Synchronize()
    {
    }

    protected override void Dispose(bool disposing)
    {
    }

    private protected override void UploadCore<T>(ReadOnlySpan<T> source, VectorView<T> destination) =>
        source.CopyTo(new Span<T>(destination.Pointer, destination.Length));

    private protected override void DownloadCore<T>(VectorView<T> source, Span<T> destination) =>
        new ReadOnlySpan<T>(source.Pointer, source.Length).CopyTo(destination);
}
