using System.Numerics;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="DampedInverse"/> on the CPU.</summary>
internal sealed unsafe class CpuDampedInverse(CpuDevice device) : IDampedInverseKernel
{
    public void Run(ReadOnlySpan<DampedInverseItem> items, VectorView<int> status, InversePrecision precision)
    {
        for (int i = 0; i < items.Length; i++)
        {
            status.Pointer[i] = precision == InversePrecision.Single ? Invert<float>(items[i]) : Invert<double>(items[i]);
        }
    }

    private int Invert<T>(in DampedInverseItem item)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        int n = item.Matrix.Rows;
        using ScratchLease lease = device.Scratch.Rent((long)n * n * sizeof(T));
        T* work = lease.As<T>();
        float* source = item.Matrix.Pointer;
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                work[((long)i * n) + j] = T.CreateTruncating(source[((long)i * item.Matrix.RowStride) + j]);
            }

            work[((long)i * n) + i] += T.CreateTruncating(item.Damping);
        }

        int status = CpuCholeskyBlock.Factor(work, n, n);
        if (status == 0)
        {
            CpuCholeskyBlock.Invert(work, n, n);
            WriteProduct(work, n, item.Inverse);
            status = FirstNotFinite(item.Inverse);
        }

        return status;
    }

    private static int FirstNotFinite(MatrixView<float> inverse)
    {
        for (int i = 0; i < inverse.Rows; i++)
        {
            if (!float.IsFinite(inverse.Pointer[((long)i * inverse.RowStride) + i]))
            {
                return i + 1;
            }
        }

        return 0;
    }

    private static void WriteProduct<T>(T* inverse, int n, MatrixView<float> result)
        where T : unmanaged, IFloatingPointIeee754<T>
    {
        float* target = result.Pointer;
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j <= i; j++)
            {
                T sum = T.Zero;
                for (int k = i; k < n; k++)
                {
                    sum += inverse[((long)k * n) + i] * inverse[((long)k * n) + j];
                }

                float value = float.CreateTruncating(sum);
                target[((long)i * result.RowStride) + j] = value;
                target[((long)j * result.RowStride) + i] = value;
            }
        }
    }
}
