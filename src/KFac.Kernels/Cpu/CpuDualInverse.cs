using System.Runtime.CompilerServices;

namespace KFac.Kernels.Cpu;

/// <summary><see cref="DualInverse"/> on the CPU: one triangle of X·Xᵀ, and three products with the small inverse in the middle.</summary>
/// <remarks>The inverse on the left of V is the one on the right of Vᵀ, so only strides differ between the sides. V/λ is not
/// formed: V is copied to the result, and the last product scales it as its β.</remarks>
internal sealed unsafe class CpuDualInverse(CpuDevice device) : IDualInverseKernel
{
    public void Gram(MatrixView<float> x, float alpha, MatrixView<float> gram)
    {
        var transposed = new StridedMatrix(x.Pointer, 1, x.RowStride);
        GramCore.Accumulate(device, new GramRows(transposed, x.Columns, x.Rows, false), alpha, 0, gram.Pointer, gram.RowStride);
    }

    public void Apply(in DualInverseArguments arguments)
    {
        int m = arguments.X.Rows;
        int p = arguments.X.Columns;
        bool right = arguments.Side == MatrixSide.Right;
        int k = right ? arguments.V.Rows : arguments.V.Columns;
        StridedMatrix x = Stored(arguments.X);
        StridedMatrix v = Stored(arguments.V);
        StridedMatrix inverse = Stored(arguments.Inverse);
        float inverseDamping = 1 / arguments.Damping;
        float weight = -arguments.Alpha * inverseDamping;
        using ScratchLease lease = device.Scratch.Rent(2L * m * k * sizeof(float));
        float* products = lease.As<float>();
        float* solved = products + ((long)m * k);
        Copy(arguments.V, arguments.Result);
        if (right)
        {
            Multiply(k, m, p, 1, v, x.Transposed, 0, products, m);
            Multiply(k, m, m, 1, new StridedMatrix(products, m, 1), inverse, 0, solved, m);
            Multiply(k, p, m, weight, new StridedMatrix(solved, m, 1), x, inverseDamping, arguments.Result.Pointer, arguments.Result.RowStride);
        }
        else
        {
            Multiply(m, k, p, 1, x, v, 0, products, k);
            Multiply(m, k, m, 1, inverse, new StridedMatrix(products, k, 1), 0, solved, k);
            Multiply(p, k, m, weight, x.Transposed, new StridedMatrix(solved, k, 1), inverseDamping, arguments.Result.Pointer, arguments.Result.RowStride);
        }
    }

    private static StridedMatrix Stored(MatrixView<float> view) => new(view.Pointer, view.RowStride, 1);

    private static void Copy(MatrixView<float> from, MatrixView<float> to)
    {
        for (long row = 0; row < from.Rows; row++)
        {
            Unsafe.CopyBlockUnaligned(
                to.Pointer + (row * to.RowStride), from.Pointer + (row * from.RowStride), (uint)from.Columns * sizeof(float));
        }
    }

    private void Multiply(int m, int n, int k, float alpha, StridedMatrix a, StridedMatrix b, float beta, float* c, long ldc) =>
        GemmCore.MultiplyParallel(device, m, n, k, alpha, a, b, beta, c, ldc);
}
