using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="SymmetricEigen"/> on the CPU.</summary>
/// <remarks>Items are spread over the threads by <see cref="SizedBatch"/>.</remarks>
internal sealed unsafe class CpuSymmetricEigen(CpuDevice device) : ISymmetricEigenKernel
{
    public void Run(
        ReadOnlySpan<SymmetricEigenItem> items, VectorView<int> status, VectorView<EigenOutcome> outcomes, EigenWarmStart warmStart)
    {
        using ScratchLease lease = device.Scratch.Rent((long)items.Length * sizeof(EigenTask));
        var tasks = new Span<EigenTask>(lease.As<EigenTask>(), items.Length);
        for (int i = 0; i < items.Length; i++)
        {
            tasks[i] = new EigenTask(items[i], status.Pointer + i, outcomes.IsEmpty ? null : outcomes.Pointer + i);
        }

        SizedBatch.Run(device.Workers, tasks, new Job(device, warmStart), &Job.Run);
    }

    private static void Solve(CpuDevice device, bool isParallel, in EigenTask task, EigenWarmStart warmStart)
    {
        switch (device.Vectors)
        {
            case VectorWidth.Avx512:
                Solve<GemmTile512, Simd512, Vector512<float>>(device, isParallel, task, warmStart);
                break;
            case VectorWidth.Avx2:
                Solve<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>(device, isParallel, task, warmStart);
                break;
            default:
                Solve<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>(device, isParallel, task, warmStart);
                break;
        }
    }

    private static void Solve<TTile, TSimd, TVector>(CpuDevice device, bool isParallel, in EigenTask task, EigenWarmStart warmStart)
        where TTile : struct, IGemmTile
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        var outcome = new EigenOutcome(EigenRoute.Decomposed, 0);
        if (task.Size <= SmallEigen.MaxSize)
        {
            *task.Status = SmallEigen.Solve(device, task);
        }
        else if (task.Previous != null
            && WarmEigen<TTile, TSimd, TVector>.Solve(new ItemThreads(device, isParallel), task, warmStart, out outcome))
        {
            *task.Status = 0;
        }
        else
        {
            *task.Status = LargeEigen<TTile, TSimd, TVector>.Solve(device, isParallel, task);
        }

        if (task.Outcome != null)
        {
            *task.Outcome = outcome;
        }
    }

    private readonly struct Job(CpuDevice device, EigenWarmStart warmStart)
    {
        public static void Run(Job job, bool isParallel, in EigenTask task) => job.Solve(isParallel, task);

        private void Solve(bool isParallel, in EigenTask task) => CpuSymmetricEigen.Solve(device, isParallel, task, warmStart);
    }
}

/// <summary>An item of <see cref="SymmetricEigen"/> behind pointers.</summary>
internal readonly unsafe struct EigenTask : ISizedTask
{
    public readonly float* Matrix;
    public readonly long MatrixStride;
    public readonly float* Values;
    public readonly float* Vectors;
    public readonly long VectorsStride;
    public readonly float* Previous;
    public readonly long PreviousStride;
    public readonly int* Status;
    public readonly EigenOutcome* Outcome;

    public EigenTask(in SymmetricEigenItem item, int* status, EigenOutcome* outcome)
        : this(item.Matrix.Rows, item.Matrix.Pointer, item.Matrix.RowStride, item.Values.Pointer, item.Vectors.Pointer, item.Vectors.RowStride)
    {
        Previous = item.Previous.IsEmpty ? null : item.Previous.Pointer;
        PreviousStride = item.Previous.RowStride;
        Status = status;
        Outcome = outcome;
    }

    /// <summary>A problem inside another: no previous basis, nobody to report to.</summary>
    public EigenTask(int size, float* matrix, long matrixStride, float* values, float* vectors, long vectorsStride)
    {
        Size = size;
        Matrix = matrix;
        MatrixStride = matrixStride;
        Values = values;
        Vectors = vectors;
        VectorsStride = vectorsStride;
    }

    public int Size { get; }
}
