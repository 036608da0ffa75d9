using System.Numerics;
using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary>An item of <see cref="DampedInverse"/> behind pointers.</summary>
internal readonly unsafe struct InverseTask(in DampedInverseItem item, int* status) : ISizedTask
{
    public int Size { get; } = item.Matrix.Rows;
    public readonly float Damping = item.Damping;
    public readonly float* Matrix = item.Matrix.Pointer;
    public readonly long MatrixStride = item.Matrix.RowStride;
    public readonly float* Inverse = item.Inverse.Pointer;
    public readonly long InverseStride = item.Inverse.RowStride;
    public readonly int* Status = status;
}

/// <summary>Carries the lower triangle of an item to its workspace with the damping added, and the inverse back to both triangles.</summary>
internal readonly unsafe struct InverseCopy<T>(InverseTask task, T* work, long stride)
    where T : unmanaged, IFloatingPointIeee754<T>
{
    private const int RowsPerTask = 64;
    private const int ColumnsPerBlock = 16;

    private readonly InverseTask _task = task;
    private readonly T* _work = work;
    private readonly long _stride = stride;

    public void Load(WorkerPool? workers) => RunJob(workers, &Load);

    public void Store(WorkerPool? workers) => RunJob(workers, &Store);

    /// <summary>0, or 1 + the index of the first diagonal element of the inverse that float32 cannot hold.</summary>
    public int FirstNotFinite()
    {
        for (int i = 0; i < _task.Size; i++)
        {
            if (!float.IsFinite(_task.Inverse[(i * _task.InverseStride) + i]))
            {
                return i + 1;
            }
        }

        return 0;
    }

    private static void Load(void* context, int part) => Unsafe.AsRef<InverseCopy<T>>(context).Load(part);

    private static void Store(void* context, int part) => Unsafe.AsRef<InverseCopy<T>>(context).Store(part);

    private void RunJob(WorkerPool? workers, delegate*<void*, int, void> body)
    {
        InverseCopy<T> context = this;
        int parts = (_task.Size + RowsPerTask - 1) / RowsPerTask;
        if (workers is not null)
        {
            workers.Run(parts, body, &context);
            return;
        }

        for (int part = 0; part < parts; part++)
        {
            body(&context, part);
        }
    }

    private void Load(int part)
    {
        int end = Math.Min(_task.Size, (part + 1) * RowsPerTask);
        for (int i = part * RowsPerTask; i < end; i++)
        {
            float* source = _task.Matrix + (i * _task.MatrixStride);
            T* target = _work + (i * _stride);
            for (int j = 0; j <= i; j++)
            {
                target[j] = T.CreateTruncating(source[j]);
            }

            target[i] += T.CreateTruncating(_task.Damping);
        }
    }

    private void Store(int part)
    {
        int first = part * RowsPerTask;
        int end = Math.Min(_task.Size, first + RowsPerTask);
        for (int column = 0; column < end; column += ColumnsPerBlock)
        {
            for (int i = first; i < end; i++)
            {
                StoreRun(i, column, Math.Min(column + ColumnsPerBlock, i + 1));
            }
        }
    }

    private void StoreRun(int i, int column, int end)
    {
        T* source = _work + (i * _stride);
        float* row = _task.Inverse + (i * _task.InverseStride);
        float* mirrored = _task.Inverse + i;
        for (int j = column; j < end; j++)
        {
            float value = float.CreateTruncating(source[j]);
            row[j] = value;
            mirrored[j * _task.InverseStride] = value;
        }
    }
}
