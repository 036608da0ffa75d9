using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="DampedInverse"/> on the CPU.</summary>
/// <remarks>Items are spread over the threads by <see cref="SizedBatch"/>.</remarks>
internal sealed unsafe class CpuDampedInverse(CpuDevice device) : IDampedInverseKernel
{
    public void Run(ReadOnlySpan<DampedInverseItem> items, VectorView<int> status, InversePrecision precision)
    {
        if (precision == InversePrecision.Double)
        {
            Run<double, PanelTileDouble>(items, status);
            return;
        }

        switch (device.Vectors)
        {
            case VectorWidth.Avx512:
                Run<float, PanelTile<GemmTile512, Simd512, Vector512<float>>>(items, status);
                break;
            case VectorWidth.Avx2:
                Run<float, PanelTile<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>>(items, status);
                break;
            default:
                Run<float, PanelTile<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>>(items, status);
                break;
        }
    }

    private void Run<T, TTile>(ReadOnlySpan<DampedInverseItem> items, VectorView<int> status)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TTile : struct, IPanelTile<T>
    {
        using ScratchLease lease = device.Scratch.Rent((long)items.Length * sizeof(SweepTask));
        var tasks = new Span<SweepTask>(lease.As<SweepTask>(), items.Length);
        for (int i = 0; i < items.Length; i++)
        {
            tasks[i] = new SweepTask(items[i].Matrix, items[i].Damping, items[i].Inverse, status.Pointer + i);
        }

        int single = SizedBatch.Order(tasks, device.Workers.Threads);
        for (int i = 0; i < single; i++)
        {
            Solve<T, TTile>(device, SizedBatch.IsCutUp(tasks[i].Size) ? device.Workers : null, tasks[i]);
        }

        var job = new Job(device, lease.As<SweepTask>() + single);
        device.Workers.Run(tasks.Length - single, &Job.Run<T, TTile>, Unsafe.AsPointer(ref job));
    }

    private static void Solve<T, TTile>(CpuDevice device, WorkerPool? workers, in SweepTask task)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TTile : struct, IPanelTile<T>
    {
        using ScratchLease lease = device.Scratch.Rent(CholeskySweep<T, TTile>.ScratchBytes(task.Size));
        var sweep = new CholeskySweep<T, TTile>(task, SweepResult.Inverse, lease.As<byte>());
        int status = sweep.Run(workers);
        *task.Status = status != 0 ? status : task.FirstNotFinite();
    }

    private readonly struct Job(CpuDevice device, SweepTask* tasks)
    {
        public static void Run<T, TTile>(void* context, int task)
            where T : unmanaged, IFloatingPointIeee754<T>
            where TTile : struct, IPanelTile<T>
        {
            ref readonly Job job = ref Unsafe.AsRef<Job>(context);
            job.Solve<T, TTile>(task);
        }

        private void Solve<T, TTile>(int task)
            where T : unmanaged, IFloatingPointIeee754<T>
            where TTile : struct, IPanelTile<T> => CpuDampedInverse.Solve<T, TTile>(device, null, tasks[task]);
    }
}
