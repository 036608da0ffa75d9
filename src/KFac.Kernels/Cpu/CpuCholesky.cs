using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Cholesky"/> on the CPU: a <see cref="CholeskySweep{T, TTile}"/> on a padded copy.</summary>
internal sealed unsafe class CpuCholesky(CpuDevice device) : ICholeskyKernel
{
    public void Run(MatrixView<float> matrix, float damping, MatrixView<float> lower, VectorView<int> status)
    {
        var task = new SweepTask(matrix, damping, lower, status.Pointer);
        switch (device.Vectors)
        {
            case VectorWidth.Avx512:
                Factor<PanelTile<GemmTile512, Simd512, Vector512<float>>>(task);
                break;
            case VectorWidth.Avx2:
                Factor<PanelTile<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>>(task);
                break;
            default:
                Factor<PanelTile<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>>(task);
                break;
        }
    }

    private void Factor<TTile>(in SweepTask task)
        where TTile : struct, IPanelTile<float>
    {
        using ScratchLease lease = device.Scratch.Rent(CholeskySweep<float, TTile>.ScratchBytes(task.Size));
        var sweep = new CholeskySweep<float, TTile>(task, SweepResult.Factor, lease.As<byte>());
        int status = sweep.Run(device.Workers);
        *task.Status = status;
        if (status == 0)
        {
            sweep.StoreLower();
        }
    }
}
