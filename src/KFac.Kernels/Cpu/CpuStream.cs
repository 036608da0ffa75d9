using System.Diagnostics;

namespace KFac.Kernels.Cpu;

/// <summary>A queue that runs work at once, on the caller's thread and the device's workers.</summary>
internal sealed unsafe class CpuStream(CpuDevice device) : DeviceStream(device)
{
    public override void Synchronize()
    {
    }

    public override double Time(Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        long start = Stopwatch.GetTimestamp();
        work();

        // In the clock's own ticks: a TimeSpan counts in units of 100 ns, more than a small operation takes.
        return (double)(Stopwatch.GetTimestamp() - start) / Stopwatch.Frequency;
    }

    public override RecordedWork Record(Action work, RecordedWork? previous = null)
    {
        ArgumentNullException.ThrowIfNull(work);
        return new CpuRecordedWork(this, work);
    }

    protected override void Dispose(bool disposing)
    {
    }

    private protected override void ReplayCore(RecordedWork work) => ((CpuRecordedWork)work).Run();

    private protected override void UploadCore<T>(ReadOnlySpan<T> source, VectorView<T> destination) =>
        source.CopyTo(new Span<T>(destination.Pointer, destination.Length));

    private protected override void DownloadCore<T>(VectorView<T> source, Span<T> destination) =>
        new ReadOnlySpan<T>(source.Pointer, source.Length).CopyTo(destination);
}

/// <summary>Work that is given again: a processor has no launches to save.</summary>
internal sealed class CpuRecordedWork(CpuStream stream, Action work) : RecordedWork(stream)
{
    public void Run() => work();

    protected override void Dispose(bool disposing)
    {
    }
}
