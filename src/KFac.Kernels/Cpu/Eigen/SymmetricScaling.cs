using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>Brings the matrix of a warm eigenproblem, of which the lower triangle is given, to the workspace.</summary>
internal unsafe struct SymmetricScaling<TSimd, TVector>
    where TSimd : struct, ISimd<TVector>
    where TVector : unmanaged
{
    private const int RowsPerTask = 64;

    private readonly EigenTask _task;
    private readonly WarmEigenMemory _memory;
    private double _scale;

    private SymmetricScaling(in EigenTask task, WarmEigenMemory memory)
    {
        _task = task;
        _memory = memory;
        _scale = 0;
    }

    /// <summary>Copies the matrix, scaled, to both triangles; false when an element is not finite.</summary>
    /// <param name="scale">What the matrix was multiplied by.</param>
    public static bool TryLoad(ItemThreads threads, in EigenTask task, WarmEigenMemory memory, out double scale)
    {
        var job = new SymmetricScaling<TSimd, TVector>(task, memory);
        int tasks = (task.Size + RowsPerTask - 1) / RowsPerTask;
        threads.Run(tasks, &MeasureRows, &job);
        float largest = 0;
        for (int i = 0; i < tasks; i++)
        {
            largest = MathF.Max(largest, memory.Sums[i]);
        }

        scale = job._scale = float.IsFinite(largest) ? LowerTriangle<TSimd, TVector>.Scale(largest) : 0;
        if (scale == 0)
        {
            return false;
        }

        threads.Run(tasks, &LoadRows, &job);
        return true;
    }

    private static void MeasureRows(void* context, int task)
    {
        ref readonly SymmetricScaling<TSimd, TVector> job = ref Unsafe.AsRef<SymmetricScaling<TSimd, TVector>>(context);
        int first = task * RowsPerTask;
        job._memory.Sums[task] = LowerTriangle<TSimd, TVector>.LargestMagnitude(job._task, first, Math.Min(job._task.Size, first + RowsPerTask));
    }

    private static void LoadRows(void* context, int task)
    {
        ref readonly SymmetricScaling<TSimd, TVector> job = ref Unsafe.AsRef<SymmetricScaling<TSimd, TVector>>(context);
        int first = task * RowsPerTask;
        int end = Math.Min(job._task.Size, first + RowsPerTask);
        float* a = job._memory.Matrix;
        long stride = job._memory.Stride;
        for (int i = first; i < end; i++)
        {
            float* source = job._task.Matrix + (i * job._task.MatrixStride);
            LowerTriangle<TSimd, TVector>.CopyScaled(source, i + 1, (float)job._scale, a + (i * stride));
        }

        GramSum<TSimd, TVector>.Mirror(first, end, a, stride);
    }
}
