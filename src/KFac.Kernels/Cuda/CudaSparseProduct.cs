using System.Numerics;
using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="SparseProduct"/> on the GPU: sparse_product.cu.</summary>
internal sealed class CudaSparseProduct(CudaStream stream) : ISparseProductKernel
{
    private const int Threads = 256;
    private const int WarpLanes = 32;
    private const int MostBlocks = 1 << 14;

    public void Run(float alpha, SparseMatrix s, MatrixView<float> x, float beta, MatrixView<float> y)
    {
        ElementRange range = ElementRange.ByRows(y.Rows, x, y);
        int packs = LaunchShape.Cover(y.Columns, range.Pack);
        int lanes = Math.Min(WarpLanes, (int)BitOperations.RoundUpToPowerOf2((uint)packs));
        stream.Queue.Launch(
            "sparse_product",
            "sparse_product",
            LaunchShape.Row(Math.Min(LaunchShape.Cover((long)y.Rows * lanes, Threads), MostBlocks), Threads),
            new SparseProductArguments(s, x, y, range, lanes, alpha, beta));
    }
}

/// <summary>Mirrors <c>SparseProductArguments</c> of sparse_product.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct SparseProductArguments(
    SparseMatrix s, MatrixView<float> x, MatrixView<float> y, ElementRange range, int lanes, float alpha, float beta)
{
    public readonly nint Offsets = (nint)s.Offsets.Pointer;
    public readonly nint Indices = (nint)s.Indices.Pointer;
    public readonly nint Values = (nint)s.Values.Pointer;
    public readonly nint X = (nint)x.Pointer;
    public readonly nint Y = (nint)y.Pointer;
    public readonly long XStride = x.RowStride;
    public readonly long YStride = y.RowStride;
    public readonly ElementRange Range = range;
    public readonly int Rows = s.Rows;
    public readonly int Columns = s.Columns;
    public readonly int Lanes = lanes;
    public readonly float Alpha = alpha;
    public readonly float Beta = beta;
}
