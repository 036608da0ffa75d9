using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="CholeskySolve"/> on the CPU: a <see cref="CholeskySweep{T, TTile}"/> and <see cref="FactorPacking{T, TTile}"/> for
/// each item, <see cref="PackedSolve{TTile}"/> for each group of vectors.</summary>
/// <remarks>Items are spread over the threads by <see cref="SizedBatch"/>, vectors in even groups.</remarks>
internal sealed unsafe class CpuCholeskySolve(CpuDevice device) : ICholeskySolveKernel
{
    public bool PaysForFewVectors => true;

    public void Factor(ReadOnlySpan<CholeskySolveItem> items, VectorView<int> status, InversePrecision precision)
    {
        if (precision == InversePrecision.Double)
        {
            Factor<double, PanelTileDouble>(items, status);
            return;
        }

        switch (device.Vectors)
        {
            case VectorWidth.Avx512:
                Factor<float, PanelTile<GemmTile512, Simd512, Vector512<float>>>(items, status);
                break;
            case VectorWidth.Avx2:
                Factor<float, PanelTile<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>>(items, status);
                break;
            default:
                Factor<float, PanelTile<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>>(items, status);
                break;
        }
    }

    public void Apply(MatrixSide side, VectorView<float> factor, MatrixView<float> v, MatrixView<float> result)
    {
        switch (device.Vectors)
        {
            case VectorWidth.Avx512:
                Apply<GemmTile512, Simd512, Vector512<float>>(side, factor, v, result);
                break;
            case VectorWidth.Avx2:
                Apply<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>(side, factor, v, result);
                break;
            default:
                Apply<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>(side, factor, v, result);
                break;
        }
    }

    private void Factor<T, TTile>(ReadOnlySpan<CholeskySolveItem> items, VectorView<int> status)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TTile : struct, IPanelTile<T>
    {
        using ScratchLease lease = device.Scratch.Rent((long)items.Length * sizeof(FactorTask));
        var tasks = new Span<FactorTask>(lease.As<FactorTask>(), items.Length);
        for (int i = 0; i < items.Length; i++)
        {
            tasks[i] = new FactorTask(items[i], status.Pointer + i);
        }

        SizedBatch.Run(device.Workers, tasks, device, &Factor<T, TTile>);
    }

    private static void Factor<T, TTile>(CpuDevice device, bool isCutUp, in FactorTask task)
        where T : unmanaged, IFloatingPointIeee754<T>
        where TTile : struct, IPanelTile<T>
    {
        WorkerPool? workers = isCutUp ? device.Workers : null;
        using ScratchLease lease = device.Scratch.Rent(CholeskySweep<T, TTile>.ScratchBytes(task.Size));
        var sweep = new CholeskySweep<T, TTile>(task.Sweep, SweepResult.Factor, lease.As<byte>());
        int status = sweep.Run(workers);
        *task.Sweep.Status = status != 0 ? status : sweep.StorePacked(task.Factor, workers);
    }

    private void Apply<TTile, TSimd, TVector>(MatrixSide side, VectorView<float> factor, MatrixView<float> v, MatrixView<float> result)
        where TTile : struct, IGemmTile
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        bool isLeft = side == MatrixSide.Left;
        var job = new SolveJob(
            device, new PackedFactor(isLeft ? v.Rows : v.Columns, factor.Pointer), isLeft ? v.Columns : v.Rows, Vectors(v, isLeft), Vectors(result, isLeft));
        device.Workers.Run(job.Groups, &SolveJob.Run<TTile, TSimd, TVector>, Unsafe.AsPointer(ref job));
    }

    private static StridedMatrix Vectors(MatrixView<float> v, bool areColumns) =>
        areColumns ? new StridedMatrix(v.Pointer, 1, v.RowStride) : new StridedMatrix(v.Pointer, v.RowStride, 1);

    /// <summary>One item, behind pointers.</summary>
    private readonly struct FactorTask(CholeskySolveItem item, int* status) : ISizedTask
    {
        public readonly SweepTask Sweep = new(item.Matrix, item.Damping, default, status);
        public readonly PackedFactor Factor = new(item.Matrix.Rows, item.Factor.Pointer);

        public int Size => Sweep.Size;
    }

    /// <summary>Groups of vectors, as even as can be.</summary>
    private readonly struct SolveJob(CpuDevice device, PackedFactor factor, int vectors, StridedMatrix v, StridedMatrix result)
    {
        private readonly int _units = (vectors + PackedSolve.VectorUnit - 1) / PackedSolve.VectorUnit;

        public int Groups
        {
            get
            {
                int threads = device.Workers.Threads;
                int least = (vectors + PackedSolve.MostVectors - 1) / PackedSolve.MostVectors;
                return Math.Min(_units, (least + threads - 1) / threads * threads);
            }
        }

        public static void Run<TTile, TSimd, TVector>(void* context, int group)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            ref readonly SolveJob job = ref Unsafe.AsRef<SolveJob>(context);
            job.Solve<TTile, TSimd, TVector>(group);
        }

        private void Solve<TTile, TSimd, TVector>(int group)
            where TTile : struct, IGemmTile
            where TSimd : struct, ISimd<TVector>
            where TVector : unmanaged
        {
            int first = (int)((long)_units * group / Groups) * PackedSolve.VectorUnit;
            int end = Math.Min(vectors, (int)((long)_units * (group + 1) / Groups) * PackedSolve.VectorUnit);
            using ScratchLease lease = device.Scratch.Rent(PackedSolve<TTile>.ScratchBytes(factor, PackedSolve.MostVectors));
            new PackedSolve<TTile>(factor, lease.As<byte>()).Run<TSimd, TVector>(end - first, v.From(first, 0), result.From(first, 0));
        }
    }
}
