using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Elementwise"/> on the GPU: bound by memory, one pass each.</summary>
internal sealed class CudaElementwise(CudaStream stream) : IElementwiseKernel
{
    private const string Module = "elementwise";

    public void Fill(float value, MatrixView<float> y) =>
        Launch("fill", ElementRange.Of(y), default, value, 0, default, default, y);

    public void Copy(MatrixView<float> x, MatrixView<float> y) =>
        Launch("copy", ElementRange.Of(x, y), x, 1, 0, default, default, y);

    public void Axpby(float alpha, MatrixView<float> x, float beta, MatrixView<float> y) =>
        Launch(beta == 0 ? "scale" : "axpby", ElementRange.Of(x, y), x, alpha, beta, default, default, y);

    public void AddRow(VectorView<float> row, MatrixView<float> y) =>
        Launch("add_row", ElementRange.ByRows(y.Rows, y, AsRow(row)), default, 1, 1, row, default, y);

    public void KroneckerDivide(MatrixView<float> v, VectorView<float> b, VectorView<float> a, float damping, MatrixView<float> u) =>
        Launch("kronecker_divide", ElementRange.ByRows(u.Rows, u, v, AsRow(a)), v, damping, 0, a, b, u);

    private static MatrixView<float> AsRow(VectorView<float> vector) => vector.AsMatrix(1, vector.Length);

    private void Launch(
        string kernel,
        ElementRange range,
        MatrixView<float> x,
        float alpha,
        float beta,
        VectorView<float> row,
        VectorView<float> column,
        MatrixView<float> y)
    {
        if (!y.IsEmpty)
        {
            stream.Queue.Launch(Module, kernel, range.Shape, new ElementwiseArguments(x, y, row, column, range, alpha, beta));
        }
    }
}

/// <summary>Mirrors <c>ElementwiseArguments</c> of elementwise.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct ElementwiseArguments(
    MatrixView<float> x,
    MatrixView<float> y,
    VectorView<float> row,
    VectorView<float> column,
    ElementRange range,
    float alpha,
    float beta)
{
    public readonly nint X = (nint)x.Pointer;
    public readonly nint Y = (nint)y.Pointer;
    public readonly nint Row = (nint)row.Pointer;
    public readonly nint Column = (nint)column.Pointer;
    public readonly long XStride = x.RowStride;
    public readonly long YStride = y.RowStride;
    public readonly ElementRange Range = range;
    public readonly float Alpha = alpha;
    public readonly float Beta = beta;
}
