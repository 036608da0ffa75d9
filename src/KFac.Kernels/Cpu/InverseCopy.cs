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

/// <summary>Carries the lower triangle of an item to a sweep with the damping added, and the inverse back to both triangles.</summary>
internal readonly unsafe struct InverseCopy<T, TTile>(InverseTask task, PanelTriangle<T, TTile> triangle)
    where T : unmanaged, IFloatingPointIeee754<T>
    where TTile : struct, IPanelTile<T>
{
    private readonly InverseTask _task = task;
    private readonly TriangleCopy<T, TTile> _copy = new(triangle);
    private readonly int _panels = triangle.Panels;

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

    private static void Load(void* context, int panel)
    {
        ref InverseCopy<T, TTile> copy = ref Unsafe.AsRef<InverseCopy<T, TTile>>(context);
        copy._copy.Load(panel, copy._task.Matrix, copy._task.MatrixStride, copy._task.Damping);
    }

    private static void Store(void* context, int panel)
    {
        ref InverseCopy<T, TTile> copy = ref Unsafe.AsRef<InverseCopy<T, TTile>>(context);
        copy._copy.StoreSymmetric(panel, copy._task.Inverse, copy._task.InverseStride);
    }

    private void RunJob(WorkerPool? workers, delegate*<void*, int, void> body)
    {
        InverseCopy<T, TTile> context = this;
        if (workers is not null)
        {
            workers.Run(_panels, body, &context);
            return;
        }

        for (int panel = 0; panel < _panels; panel++)
        {
            body(&context, panel);
        }
    }
}
