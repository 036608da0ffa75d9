using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Cholesky"/> on the GPU: cholesky.cu, three launches for every 64 columns.</summary>
internal sealed unsafe class CudaCholesky(CudaStream stream) : ICholeskyKernel
{
    private const string Module = "cholesky";
    private const int Tile = 64;
    private const int Threads = 256;

    public void Run(MatrixView<float> matrix, float damping, MatrixView<float> lower, VectorView<int> status)
    {
        int tiles = LaunchShape.Cover(matrix.Rows, Tile);
        if (tiles == 0)
        {
            stream.Queue.Fill((nint)status.Pointer, 0, sizeof(int));
            return;
        }

        using CudaScratch.Scope scope = stream.Scratch.Open();
        long size = (long)tiles * Tile;
        var arguments = new CholeskyArguments(matrix, damping, lower, status, scope.Take(size * size * sizeof(float)), size);
        stream.Queue.Launch(Module, "cholesky_load", LaunchShape.Row(Triangle(tiles), Threads), arguments);
        for (arguments.Step = 0; arguments.Step < tiles; arguments.Step++)
        {
            int behind = tiles - arguments.Step - 1;
            stream.Queue.Launch(Module, "cholesky_pivot", LaunchShape.Row(1, Threads), arguments);
            if (behind > 0)
            {
                stream.Queue.Launch(Module, "cholesky_panel", LaunchShape.Row(behind, Tile), arguments);
                stream.Queue.Launch(Module, "cholesky_update", LaunchShape.Row(Triangle(behind), Threads), arguments);
            }
        }

        stream.Queue.Launch(Module, "cholesky_store", new LaunchShape(tiles, tiles, 1, Threads), arguments);
    }

    private static int Triangle(int tiles) => checked(tiles * (tiles + 1) / 2);
}

/// <summary>Mirrors <c>CholeskyArguments</c> of cholesky.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct CholeskyArguments(
    MatrixView<float> matrix, float damping, MatrixView<float> lower, VectorView<int> status, nint work, long workStride)
{
    public readonly nint Matrix = (nint)matrix.Pointer;
    public readonly nint Lower = (nint)lower.Pointer;
    public readonly nint Work = work;
    public readonly nint Status = (nint)status.Pointer;
    public readonly long MatrixStride = matrix.RowStride;
    public readonly long LowerStride = lower.RowStride;
    public readonly long WorkStride = workStride;
    public readonly int Size = matrix.Rows;
    public int Step;
    public readonly float Damping = damping;
    private readonly int _padding;
}
