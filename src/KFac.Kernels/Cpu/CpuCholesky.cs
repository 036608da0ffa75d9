namespace KFac.Kernels.Cpu;

/// <summary><see cref="Cholesky"/> on the CPU.</summary>
internal sealed unsafe class CpuCholesky(CpuDevice device) : ICholeskyKernel
{
    public void Run(MatrixView<float> matrix, float damping, MatrixView<float> lower, VectorView<int> status)
    {
        int n = matrix.Rows;
        using ScratchLease lease = device.Scratch.Rent((long)n * n * sizeof(float));
        float* factor = lease.As<float>();
        float* source = matrix.Pointer;
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                factor[((long)i * n) + j] = source[((long)i * matrix.RowStride) + j];
            }

            factor[((long)i * n) + i] += damping;
        }

        *status.Pointer = CpuCholeskyBlock.Factor(factor, n, n);
        float* target = lower.Pointer;
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                target[((long)i * lower.RowStride) + j] = j <= i ? factor[((long)i * n) + j] : 0f;
            }
        }
    }
}
