using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="DualInverse"/> on the GPU: the rows are turned once (dual_inverse.cu) so that <see cref="CudaGram"/> makes one
/// triangle of X·Xᵀ; three products with the small inverse in the middle apply it.</summary>
/// <remarks>V/λ is not formed: V is copied to the result, and the last product scales it as its β.</remarks>
internal sealed class CudaDualInverse(CudaStream stream) : IDualInverseKernel
{
    private const int Tile = 32;
    private const int Threads = 256;

    public void Gram(MatrixView<float> x, float alpha, MatrixView<float> gram)
    {
        using CudaScratch.Scope scope = stream.Scratch.Open();
        int stride = LaunchShape.Cover(x.Rows, 4) * 4;
        nint turned = scope.Take((long)x.Columns * stride * sizeof(float));
        int tiles = checked(LaunchShape.Cover(x.Rows, Tile) * LaunchShape.Cover(x.Columns, Tile));
        if (tiles > 0)
        {
            stream.Queue.Launch("dual_inverse", "dual_transpose", LaunchShape.Row(tiles, Threads), new DualTransposeArguments(x, turned, stride));
        }

        Grams.Accumulate(scope, new GramRows(turned, stride, x.Columns, x.Rows), alpha, 0, gram);
    }

    public void Apply(in DualInverseArguments arguments)
    {
        int m = arguments.X.Rows;
        int p = arguments.X.Columns;
        bool right = arguments.Side == MatrixSide.Right;
        int k = right ? arguments.V.Rows : arguments.V.Columns;
        float inverseDamping = 1 / arguments.Damping;
        float weight = -arguments.Alpha * inverseDamping;
        if (m == 0)
        {
            stream.Kernels.Elementwise!.Axpby(inverseDamping, arguments.V, 0, arguments.Result);
            return;
        }

        using CudaScratch.Scope scope = stream.Scratch.Open();
        stream.Kernels.Elementwise!.Copy(arguments.V, arguments.Result);
        if (right)
        {
            MatrixView<float> products = scope.TakeMatrix(k, m);
            MatrixView<float> solved = scope.TakeMatrix(k, m);
            Multiply(Transpose.No, Transpose.Yes, 1, arguments.V, arguments.X, 0, products, p);
            Multiply(Transpose.No, Transpose.No, 1, products, arguments.Inverse, 0, solved, m);
            Multiply(Transpose.No, Transpose.No, weight, solved, arguments.X, inverseDamping, arguments.Result, m);
        }
        else
        {
            MatrixView<float> products = scope.TakeMatrix(m, k);
            MatrixView<float> solved = scope.TakeMatrix(m, k);
            Multiply(Transpose.No, Transpose.No, 1, arguments.X, arguments.V, 0, products, p);
            Multiply(Transpose.No, Transpose.No, 1, arguments.Inverse, products, 0, solved, m);
            Multiply(Transpose.Yes, Transpose.No, weight, arguments.X, solved, inverseDamping, arguments.Result, m);
        }
    }

    private CudaGram Grams => (CudaGram)stream.Kernels.Gram!;

    private void Multiply(
        Transpose transposeA, Transpose transposeB, float alpha, MatrixView<float> a, MatrixView<float> b, float beta, MatrixView<float> c, int depth) =>
        stream.Kernels.Gemm!.Run(new GemmArguments(transposeA, transposeB, alpha, a, b, beta, c, 1, c.Rows, c.Columns, depth));
}

/// <summary>Mirrors <c>DualTransposeArguments</c> of dual_inverse.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct DualTransposeArguments(MatrixView<float> x, nint y, long yStride)
{
    public readonly nint X = (nint)x.Pointer;
    public readonly nint Y = y;
    public readonly long XStride = x.RowStride;
    public readonly long YStride = yStride;
    public readonly int Rows = x.Rows;
    public readonly int Columns = x.Columns;
}
