using System.Numerics;
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

        SizedBatch.Run(device.Workers, tasks, device, &Solve<T, TTile>);
    }

    private static void Solve<T, TTile>(CpuDevice device, bool isCutUp, in SweepTask task)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TTile : struct, IPanelTile<T>
    {
        WorkerPool? workers = isCutUp ? device.Workers : null;
        using ScratchLease lease = device.Scratch.Rent(CholeskySweep<T, TTile>.ScratchBytes(task.Size));
        var sweep = new CholeskySweep<T, TTile>(task, SweepResult.Inverse, lease.As<byte>());
        int status = sweep.Run(workers);
        *task.Status = status != 0 ? status : task.FirstNotFinite();
    }
}
