using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Elementwise"/> on the GPU: bound by memory, one pass each.</summary>
internal sealed unsafe class CudaElementwise(CudaStream stream) : IElementwiseKernel
{
    private const string Module = "elementwise";

    public void Fill(float value, MatrixView<float> y) => Launch("fill", default, value, 0, default, default, y);

    public void Copy(MatrixView<float> x, MatrixView<float> y) => Launch("copy", x, 1, 0, default, default, y);

    public void Axpby(float alpha, MatrixView<float> x, float beta, MatrixView<float> y) =>
        Launch(beta == 0 ? "scale" : "axpby", x, alpha, beta, default, default, y);

    public void AddRow(VectorView<float> row, MatrixView<float> y) => Launch("add_row", default, 1, 1, row, default, y);

    public void KroneckerDivide(MatrixView<float> v, VectorView<float> b, VectorView<float> a, float damping, MatrixView<float> u) =>
        Launch("kronecker_divide", v, damping, 0, a, b, u);

    private void Launch(
        string kernel, MatrixView<float> x, float alpha, float beta, VectorView<float> row, VectorView<float> column, MatrixView<float> y)
    {
        if (y.IsEmpty)
        {
            return;
        }

        stream.Queue.Launch(
            Module,
            kernel,
            ElementGrid.Shape(y.Rows, y.Columns),
            new ElementwiseArguments(x, y, row, column, alpha, beta));
    }
}

/// <summary>Mirrors <c>ElementwiseArguments</c> of elementwise.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct ElementwiseArguments(
    MatrixView<float> x, MatrixView<float> y, VectorView<float> row, VectorView<float> column, float alpha, float beta)
{
    public readonly nint X = (nint)x.Pointer;
    public readonly nint Y = (nint)y.Pointer;
    public readonly nint Row = (nint)row.Pointer;
    public readonly nint Column = (nint)column.Pointer;
    public readonly long XStride = x.RowStride;
    public readonly long YStride = y.RowStride;
    public readonly int Rows = y.Rows;
    public readonly int Columns = y.Columns;
    public readonly float Alpha = alpha;
    public readonly float Beta = beta;
}
