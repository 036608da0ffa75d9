using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Permute"/> on the GPU: permute.cu.</summary>
internal sealed class CudaPermute(CudaStream stream) : IPermuteKernel
{
    private const string Module = "permute";
    private const int Threads = 256;
    private const int MostBlocks = 1 << 14;
    private const int Tile = 32;

    public void Run(VectorView<float> x, PermutedDimensions dimensions, VectorView<float> y)
    {
        int last = dimensions.Rank - 1;
        if (dimensions.Stride(last) == 1)
        {
            LaunchShape shape = LaunchShape.Row(Math.Min(LaunchShape.Cover(dimensions.Elements, Threads), MostBlocks), Threads);
            stream.Queue.Launch(Module, "permute_elements", shape, new PermuteArguments(x, dimensions, y, last));
            return;
        }

        int inner = Inner(dimensions);
        int others = dimensions.Elements / dimensions.Size(last) / dimensions.Size(inner);
        int tiles = checked(LaunchShape.Cover(dimensions.Size(last), Tile) * LaunchShape.Cover(dimensions.Size(inner), Tile) * others);
        stream.Queue.Launch(Module, "permute_tiles", LaunchShape.Row(tiles, Threads), new PermuteArguments(x, dimensions, y, inner));
    }

    /// <summary>The dimension of y along which x is contiguous; of several, all but one have one element.</summary>
    private static int Inner(in PermutedDimensions dimensions)
    {
        int inner = -1;
        for (int d = 0; d < dimensions.Rank; d++)
        {
            if (dimensions.Stride(d) == 1 && (inner < 0 || dimensions.Size(d) > dimensions.Size(inner)))
            {
                inner = d;
            }
        }

        return inner;
    }
}

/// <summary>Mirrors <c>PermuteArguments</c> of permute.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct PermuteArguments
{
    public nint X;
    public nint Y;
    public fixed int Sizes[Permute.MaxRank];
    public fixed int XStrides[Permute.MaxRank];
    public fixed int YStrides[Permute.MaxRank];
    public int Rank;
    public int Elements;
    public int Inner;

    public PermuteArguments(VectorView<float> x, in PermutedDimensions dimensions, VectorView<float> y, int inner)
    {
        (X, Y) = ((nint)x.Pointer, (nint)y.Pointer);
        (Rank, Elements, Inner) = (dimensions.Rank, dimensions.Elements, inner);
        int stride = 1;
        for (int d = dimensions.Rank - 1; d >= 0; d--)
        {
            Sizes[d] = dimensions.Size(d);
            XStrides[d] = dimensions.Stride(d);
            YStrides[d] = stride;
            stride *= dimensions.Size(d);
        }
    }
}
