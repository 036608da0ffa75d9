using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>A queue of a GPU, with the launchers that put work into it.</summary>
internal sealed unsafe class CudaStream : DeviceStream
{
    private GpuEvent? _start;
    private GpuEvent? _end;

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

    public override bool GainsByReplay => Device.Graphs;

    public override void Synchronize() => Queue.Synchronize();

    public override double Time(Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        _start ??= Queue.CreateEvent();
        _end ??= Queue.CreateEvent();
        Queue.Record(_start);
        work();
        Queue.Record(_end);
        return _end.SecondsSince(_start);
    }

    public override RecordedWork Record(Action work, RecordedWork? previous = null)
    {
        ArgumentNullException.ThrowIfNull(work);
        Queue.BeginCapture();
        try
        {
            work();
        }
        catch
        {
            Queue.CancelCapture();
            throw;
        }

        return new CudaRecordedWork(this, Queue.EndCapture((previous as CudaRecordedWork)?.Graph));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _start?.Dispose();
            _end?.Dispose();
            Queue.Dispose();
            Scratch.Dispose();
        }
    }

    private protected override void ReplayCore(RecordedWork work) => Queue.Replay(((CudaRecordedWork)work).Graph);

    private protected override void UploadCore<T>(ReadOnlySpan<T> source, VectorView<T> destination) =>
        Queue.CopyToDevice(MemoryMarshal.AsBytes(source), (nint)destination.Pointer);

    private protected override void DownloadCore<T>(VectorView<T> source, Span<T> destination) =>
        Queue.CopyToHost((nint)source.Pointer, MemoryMarshal.AsBytes(destination));
}

/// <summary>Work as a graph of the driver: one launch for all its kernels.</summary>
internal sealed class CudaRecordedWork(CudaStream stream, GpuGraph graph) : RecordedWork(stream)
{
    public GpuGraph Graph { get; } = graph;

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Graph.Dispose();
        }
    }
}
