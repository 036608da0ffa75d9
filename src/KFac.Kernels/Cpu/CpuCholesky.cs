using System.Runtime.Intrinsics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="Cholesky"/> on the CPU: a <see cref="CholeskySweep{T, TTile}"/> on a padded copy.</summary>
internal sealed unsafe class CpuCholesky(CpuDevice device) : ICholeskyKernel
{
    public void Run(MatrixView<float> matrix, float damping, MatrixView<float> lower, VectorView<int> status)
    {
        *status.Pointer = device.Vectors switch
        {
            VectorWidth.Avx512 => Factor<PanelTile<GemmTile512, Simd512, Vector512<float>>>(matrix, damping, lower),
            VectorWidth.Avx2 => Factor<PanelTile<GemmTile4<Simd256, Vector256<float>>, Simd256, Vector256<float>>>(matrix, damping, lower),
            _ => Factor<PanelTile<GemmTile4<Simd128, Vector128<float>>, Simd128, Vector128<float>>>(matrix, damping, lower),
        };
    }

    private int Factor<TTile>(MatrixView<float> matrix, float damping, MatrixView<float> lower)
        where TTile : struct, IPanelTile<float>
    {
        int n = matrix.Rows;
        using ScratchLease lease = device.Scratch.Rent(CholeskySweep<float, TTile>.ScratchBytes(n));
        var sweep = new CholeskySweep<float, TTile>(n, SweepResult.Factor, lease.As<byte>());
        var copy = new TriangleCopy<float, TTile>(sweep.Matrix);
        for (int panel = 0; panel < sweep.Matrix.Panels; panel++)
        {
            copy.Load(panel, matrix.Pointer, matrix.RowStride, damping);
        }

        int status = sweep.Run(device.Workers);
        copy.StoreLower(lower.Pointer, lower.RowStride);
        return status;
    }
}
