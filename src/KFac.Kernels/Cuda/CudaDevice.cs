namespace KFac.Kernels.Cuda;

/// <summary>An NVIDIA GPU as a device, or what stands in for one: the launchers on a <see cref="GpuRuntime"/>.</summary>
internal sealed class CudaDevice : Device
{
    private readonly CudaStream _stream;

    /// <summary>Takes the runtime over.</summary>
    /// <param name="name">As <see cref="Device.Open"/> takes it: <c>cuda</c>, <c>cuda:1</c>.</param>
    public CudaDevice(string name, GpuRuntime runtime, DeviceOptions options)
    {
        Name = name;
        Runtime = runtime;
        Precision = options.Precision;
        Graphs = options.Graphs;
        Warpgroups = (options.Warpgroups ?? Environment.GetEnvironmentVariable(DeviceOptions.WarpgroupsVariable) != "0") && Properties.IsHopper;
        _stream = new CudaStream(this);
    }

    public override string Name { get; }

    public override string Description => Runtime.Properties.ToString();

    public override int Threads => 1;

    public override DeviceStream DefaultStream => _stream;

    public GpuRuntime Runtime { get; }

    public GpuProperties Properties => Runtime.Properties;

    /// <summary>How products of matrices are computed.</summary>
    public MatrixPrecision Precision { get; }

    /// <summary>Whether repeated work is replayed from graphs.</summary>
    public bool Graphs { get; }

    /// <summary>Whether large products in float32 and TF32 take warpgroup instructions.</summary>
    public bool Warpgroups { get; }

    internal override KernelTable Kernels => _stream.Kernels;

    public override DeviceStream CreateStream() => new CudaStream(this);

    internal override void Free(nint address, long byteLength) => Runtime.Free(address);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _stream.Dispose();
            Runtime.Dispose();
        }
    }

    private protected override nint AllocateCore(long byteLength) => Runtime.Allocate(byteLength);
}
