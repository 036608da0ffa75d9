namespace KFac.Kernels.Cpu;

/// <summary>What runs the parts of one item of a batch: the device's workers, or, where the item is itself a task of a job,
/// the calling thread. The bits are the same.</summary>
internal readonly unsafe struct ItemThreads(CpuDevice device, bool isParallel)
{
    public CpuDevice Device { get; } = device;

    /// <summary>Threads among which the item is cut up.</summary>
    public int Count => isParallel ? Device.Workers.Threads : 1;

    /// <inheritdoc cref="WorkerPool.Run"/>
    public void Run(int tasks, delegate*<void*, int, void> body, void* context)
    {
        if (isParallel)
        {
            Device.Workers.Run(tasks, body, context);
            return;
        }

        for (int task = 0; task < tasks; task++)
        {
            body(context, task);
        }
    }

    /// <summary><c>C ← AB</c>.</summary>
    public void Multiply(int m, int n, int k, StridedMatrix a, StridedMatrix b, float* c, long ldc)
    {
        if (isParallel)
        {
            GemmCore.MultiplyParallel(Device, m, n, k, 1, a, b, 0, c, ldc);
            return;
        }

        using ScratchLease lease = Device.Scratch.Rent(GemmCore.ScratchBytes);
        GemmCore.Multiply(Device.Vectors, lease.As<byte>(), m, n, k, 1, a, b, 0, c, ldc);
    }
}
