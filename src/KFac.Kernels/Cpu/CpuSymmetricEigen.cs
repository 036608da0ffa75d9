namespace KFac.Kernels.Cpu;

/// <summary><see cref="SymmetricEigen"/> on the CPU.</summary>
internal sealed unsafe class CpuSymmetricEigen(CpuDevice device) : ISymmetricEigenKernel
{
    public void Run(ReadOnlySpan<SymmetricEigenItem> items, VectorView<int> status)
    {
        for (int i = 0; i < items.Length; i++)
        {
            status.Pointer[i] = Solve(items[i]);
        }
    }

    private int Solve(in SymmetricEigenItem item)
    {
        int n = item.Matrix.Rows;
        using ScratchLease lease = device.Scratch.Rent((((long)n * n) + (3L * n)) * sizeof(double));
        double* vectors = lease.As<double>();
        double* diagonal = vectors + ((long)n * n);
        double* offDiagonal = diagonal + n;
        if (!CpuSymmetricEigenDirect.Load(item.Matrix, vectors)
            || !CpuSymmetricEigenDirect.Solve(n, vectors, diagonal, offDiagonal))
        {
            return 1;
        }

        int* order = (int*)(offDiagonal + n);
        CpuSymmetricEigenDirect.Sort(n, diagonal, order);
        for (int k = 0; k < n; k++)
        {
            item.Values.Pointer[k] = (float)diagonal[k];
            WriteVector(vectors + ((long)order[k] * n), k, item.Vectors);
        }

        return 0;
    }

    private static void WriteVector(double* vector, int column, MatrixView<float> target)
    {
        int n = target.Rows;
        int largest = 0;
        for (int i = 1; i < n; i++)
        {
            largest = Math.Abs((float)vector[i]) > Math.Abs((float)vector[largest]) ? i : largest;
        }

        double sign = vector[largest] < 0 ? -1 : 1;
        for (int i = 0; i < n; i++)
        {
            target.Pointer[((long)i * target.RowStride) + column] = (float)(sign * vector[i]);
        }
    }
}
