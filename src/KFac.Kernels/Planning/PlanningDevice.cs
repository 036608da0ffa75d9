namespace KFac.Kernels.Planning;

/// <summary>A device that hands out views of no memory and does nothing when asked to compute: what a computation takes is counted by
/// running it here, in the time that its calls and checks take.</summary>
/// <remarks>Nothing can be read from it. It offers what forward and backward passes of networks need.</remarks>
internal sealed class PlanningDevice : Device
{
    private const long Alignment = 64;

    private readonly PlanningStream _stream;
    private long _next = Alignment;

    public PlanningDevice() => _stream = new PlanningStream(this);

    public override string Name => "plan";

    public override string Description => "shapes only, no memory";

    public override int Threads => 1;

    public override bool IsPlan => true;

    public override DeviceStream DefaultStream => _stream;

    internal override KernelTable Kernels { get; } = PlanningKernels.Create();

    public override DeviceStream CreateStream() => new PlanningStream(this);

    internal override void Free(nint address, long byteLength)
    {
    }

    protected override void Dispose(bool disposing)
    {
    }

    /// <summary>An address that nothing else has, and that nobody follows.</summary>
    private protected override nint AllocateCore(long byteLength)
    {
        long address = _next;
        _next += (byteLength + Alignment - 1) / Alignment * Alignment;
        return (nint)address;
    }
}

/// <summary>Takes uploads and refuses to give anything back.</summary>
internal sealed class PlanningStream(PlanningDevice device) : DeviceStream(device)
{
    public override void Synchronize()
    {
    }

    public override double Time(Action work)
    {
        ArgumentNullException.ThrowIfNull(work);
        work();
        return 0;
    }

    public override RecordedWork Record(Action work, RecordedWork? previous = null) => new PlanningRecordedWork(this);

    protected override void Dispose(bool disposing)
    {
    }

    private protected override void ReplayCore(RecordedWork work)
    {
    }

    private protected override void UploadCore<T>(ReadOnlySpan<T> source, VectorView<T> destination)
    {
    }

    private protected override void DownloadCore<T>(VectorView<T> source, Span<T> destination) => throw new InvalidOperationException(
        "A planning device has no memory to read from; run what depends on values on a device of Device.Open.");
}

/// <summary>Nothing.</summary>
internal sealed class PlanningRecordedWork(PlanningStream stream) : RecordedWork(stream)
{
    protected override void Dispose(bool disposing)
    {
    }
}
