namespace KFac.Kernels.Cpu;

/// <summary>Eigendecomposition of one small matrix in float64: Householder tridiagonalisation, then implicit QL.</summary>
/// <remarks>Golub &amp; Van Loan, Matrix Computations (4th ed.), 8.3. Eigenvectors are held as rows, so that reflections and
/// rotations run along contiguous memory. float64 holds every product of float32 numbers, so nothing is scaled.</remarks>
internal static unsafe class SmallEigen
{
    /// <summary>Sizes up to which this is faster than the blocked route.</summary>
    public const int MaxSize = 32;

    /// <summary>Diagonalises one item; returns its status.</summary>
    public static int Solve(CpuDevice device, in EigenTask task)
    {
        int n = task.Size;
        using ScratchLease lease = device.Scratch.Rent((((long)n * n) + (3L * n)) * sizeof(double));
        double* rows = lease.As<double>();
        double* diagonal = rows + (n * n);
        double* offDiagonal = diagonal + n;
        int* order = (int*)(offDiagonal + n);
        if (!Load(task, rows))
        {
            return 1;
        }

        SmallReduction.Run(n, rows, diagonal, offDiagonal);
        if (!TridiagonalQl.Iterate(n, diagonal, offDiagonal, rows, n, n))
        {
            return 1;
        }

        TridiagonalQl.Sort(n, diagonal, order);
        for (int k = 0; k < n; k++)
        {
            task.Values[k] = (float)diagonal[k];
            WriteVector(rows + (order[k] * n), k, task);
        }

        return 0;
    }

    /// <summary>Copies the lower triangle to both triangles of <paramref name="a"/>; false when an element is not finite.</summary>
    private static bool Load(in EigenTask task, double* a)
    {
        for (int i = 0; i < task.Size; i++)
        {
            float* row = task.Matrix + (i * task.MatrixStride);
            for (int j = 0; j <= i; j++)
            {
                if (!float.IsFinite(row[j]))
                {
                    return false;
                }

                a[(i * task.Size) + j] = row[j];
                a[(j * task.Size) + i] = row[j];
            }
        }

        return true;
    }

    private static void WriteVector(double* vector, int column, in EigenTask task)
    {
        int largest = 0;
        for (int i = 1; i < task.Size; i++)
        {
            largest = Math.Abs((float)vector[i]) > Math.Abs((float)vector[largest]) ? i : largest;
        }

        double sign = vector[largest] < 0 ? -1 : 1;
        for (int i = 0; i < task.Size; i++)
        {
            task.Vectors[(i * task.VectorsStride) + column] = (float)(sign * vector[i]);
        }
    }
}
