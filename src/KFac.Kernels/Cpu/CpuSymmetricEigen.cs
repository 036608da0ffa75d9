using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="SymmetricEigen"/> on the CPU.</summary>
/// <remarks>Items are spread over the threads by <see cref="SizedBatch"/>.</remarks>
internal sealed unsafe class CpuSymmetricEigen(CpuDevice device) : ISymmetricEigenKernel
{
    public void Run(ReadOnlySpan<SymmetricEigenItem> items, VectorView<int> status)
    {
        using ScratchLease lease = device.Scratch.Rent((long)items.Length * sizeof(EigenTask));
        var tasks = new Span<EigenTask>(lease.As<EigenTask>(), items.Length);
        for (int i = 0; i < items.Length; i++)
        {
            tasks[i] = new EigenTask(items[i], status.Pointer + i);
        }

        int single = SizedBatch.Order(tasks, device.Workers.Threads);
        for (int i = 0; i < single; i++)
        {
            Solve(device, isParallel: SizedBatch.IsCutUp(tasks[i].Size), tasks[i]);
        }

        var job = new Job(device, lease.As<EigenTask>() + single);
        device.Workers.Run(tasks.Length - single, &Job.Run, Unsafe.AsPointer(ref job));
    }

    private static void Solve(CpuDevice device, bool isParallel, in EigenTask task)
    {
        *task.Status = task.Size <= SmallEigen.MaxSize ? SmallEigen.Solve(device, task)
            : device.Vectors switch
            {
                VectorWidth.Avx512 => LargeEigen<PanelTile<GemmTile512, Simd512, Vector512<float>>, Simd512, Vector512<float>>
                    .Solve(device, isParallel, task),
                VectorWidth.Avx2 => LargeEigen<PanelTile<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>, Simd256, Vector256<float>>
                    .Solve(device, isParallel, task),
                _ => LargeEigen<PanelTile<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>, Simd128, Vector128<float>>
                    .Solve(device, isParallel, task),
            };
    }

    private readonly struct Job(CpuDevice device, EigenTask* tasks)
    {
        public static void Run(void* context, int task)
        {
            ref readonly Job job = ref Unsafe.AsRef<Job>(context);
            job.Run(task);
        }

        private void Run(int task) => Solve(device, isParallel: false, tasks[task]);
    }
}

/// <summary>An item of <see cref="SymmetricEigen"/> behind pointers.</summary>
internal readonly unsafe struct EigenTask(in SymmetricEigenItem item, int* status) : ISizedTask
{
    public int Size { get; } = item.Matrix.Rows;
    public readonly float* Matrix = item.Matrix.Pointer;
    public readonly long MatrixStride = item.Matrix.RowStride;
    public readonly float* Values = item.Values.Pointer;
    public readonly float* Vectors = item.Vectors.Pointer;
    public readonly long VectorsStride = item.Vectors.RowStride;
    public readonly int* Status = status;
}
