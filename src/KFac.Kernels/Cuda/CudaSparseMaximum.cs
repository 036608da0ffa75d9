using System.Numerics;
using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="SparseMaximum"/> on the GPU: sparse_maximum.cu.</summary>
internal sealed class CudaSparseMaximum(CudaStream stream) : ISparseMaximumKernel
{
    private const int Threads = 256;
    private const int WarpLanes = 32;
    private const int MostBlocks = 1 << 14;

    public void Forward(SparseMatrix s, MatrixView<float> x, MatrixView<float> y, MatrixView<int> winners) =>
        Launch("sparse_maximum", s, x, winners, y, 0);

    public void Backward(
        SparseMatrix transposed, MatrixView<int> winners, MatrixView<float> outputGradient, float beta, MatrixView<float> inputGradient) =>
        Launch("sparse_maximum_backward", transposed, outputGradient, winners, inputGradient, beta);

    private void Launch(string kernel, SparseMatrix s, MatrixView<float> input, MatrixView<int> winners, MatrixView<float> output, float beta)
    {
        int lanes = Math.Min(WarpLanes, (int)BitOperations.RoundUpToPowerOf2((uint)output.Columns));
        LaunchShape shape = LaunchShape.Row(Math.Min(LaunchShape.Cover((long)output.Rows * lanes, Threads), MostBlocks), Threads);
        stream.Queue.Launch("sparse_maximum", kernel, shape, new SparseMaximumArguments(s, input, winners, output, lanes, beta));
    }
}

/// <summary>Mirrors <c>SparseMaximumArguments</c> of sparse_maximum.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct SparseMaximumArguments(
    SparseMatrix s, MatrixView<float> input, MatrixView<int> winners, MatrixView<float> output, int lanes, float beta)
{
    public readonly nint Offsets = (nint)s.Offsets.Pointer;
    public readonly nint Indices = (nint)s.Indices.Pointer;
    public readonly nint Input = (nint)input.Pointer;
    public readonly nint Winners = (nint)winners.Pointer;
    public readonly nint Output = (nint)output.Pointer;
    public readonly long InputStride = input.RowStride;
    public readonly long WinnerStride = winners.RowStride;
    public readonly long OutputStride = output.RowStride;
    public readonly int Rows = s.Rows;
    public readonly int Columns = s.Columns;
    public readonly int OutputRows = output.Rows;
    public readonly int Width = output.Columns;
    public readonly int Lanes = lanes;
    public readonly float Beta = beta;
}
