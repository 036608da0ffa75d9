namespace KFac.Kernels.Cuda;

/// <summary>One NVIDIA GPU through its driver.</summary>
internal sealed class DriverRuntime : GpuRuntime
{
    private readonly ContextHandle _context;
    private readonly DriverMemory _memory;
    private readonly DriverModules _modules;

    /// <param name="ordinal">As the driver counts; it has been found usable.</param>
    /// <param name="memoryLimit">Most bytes held; null for no bound of ours.</param>
    public DriverRuntime(int ordinal, long? memoryLimit)
    {
        Properties = DriverDevices.Properties(ordinal);
        DriverCall.Check(Driver.cuDeviceGet(out int device, ordinal));
        _context = ContextHandle.Retain(device);
        try
        {
            using ContextHandle.Scope scope = _context.Enter();
            _memory = new DriverMemory(_context, device, memoryLimit);
        }
        catch
        {
            _context.Dispose();
            throw;
        }

        _modules = new DriverModules(_context, Properties);
    }

    public override GpuProperties Properties { get; }

    public override nint Allocate(long byteLength) => _memory.Allocate(byteLength);

    public override void Free(nint address) => _memory.Free(address);

    public override unsafe TensorMap EncodeTensorMap(in TensorMapShape shape)
    {
        using ContextHandle.Scope scope = _context.Enter();
        const uint rank = 3;
        ulong* lengths = stackalloc ulong[] { (ulong)shape.Columns, (ulong)shape.Rows, (ulong)shape.Matrices };
        ulong* distances = stackalloc ulong[] { (ulong)shape.RowBytes, (ulong)shape.MatrixBytes };
        uint* box = stackalloc uint[] { TensorMapShape.BoxColumns, (uint)shape.BoxRows, 1 };
        uint* steps = stackalloc uint[] { 1, 1, 1 };
        TensorMap* room = stackalloc TensorMap[2];
        var map = (TensorMap*)(((nint)room + 63) & ~63); // the driver wants a multiple of 64
        DriverResult result = Driver.cuTensorMapEncodeTiled(
            map,
            TensorMapElement.Float32,
            rank,
            shape.Address,
            lengths,
            distances,
            box,
            steps,
            TensorMapInterleave.None,
            TensorMapSwizzle.Bytes128,
            TensorMapPromotion.Bytes256,
            TensorMapFill.Zeros);
        if (result != DriverResult.Success)
        {
            throw DriverCall.Failure(result, nameof(Driver.cuTensorMapEncodeTiled), $"{shape}.");
        }

        return *map;
    }

    public override GpuQueue CreateQueue()
    {
        using ContextHandle.Scope scope = _context.Enter();
        return new DriverQueue(_context, _memory, _modules);
    }

    public override void Dispose()
    {
        _modules.Dispose();
        _memory.Dispose();
    }
}
