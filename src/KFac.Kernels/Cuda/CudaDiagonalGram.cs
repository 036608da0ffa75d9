using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="DiagonalGram"/> on the GPU: blocks leave partial sums of chunks of rows, which one more launch adds.</summary>
internal sealed unsafe class CudaDiagonalGram(CudaStream stream) : IDiagonalGramKernel
{
    private const string Module = "diagonal_gram";
    private const int Threads = 256;
    private const int Lanes = 32;
    private const int LeastChunk = 64;
    private const int MostChunks = 256;

    /// <summary>Ids for which a chunk more is worth its partial sums.</summary>
    private const int IdsPerChunk = 1024;

    public void Expand(MatrixView<float> x, float alpha, float beta, VectorView<float> diagonal)
    {
        int chunk = Math.Max(LeastChunk, LaunchShape.Cover(x.Rows, MostChunks));
        var arguments = new DiagonalGramArguments(diagonal, alpha, beta)
        {
            X = (nint)x.Pointer,
            XStride = x.RowStride,
            Rows = x.Rows,
            Chunk = chunk,
            Partials = LaunchShape.Cover(x.Rows, chunk),
        };
        Launch("squares", new LaunchShape(LaunchShape.Cover(x.Columns, Lanes), arguments.Partials, 1, Lanes, Threads / Lanes), arguments);
    }

    public void OneHot(
        VectorView<int> ids, int sharing, SegmentOffsets? offsets, SharingScale scale, float alpha, float beta, VectorView<float> diagonal)
    {
        int examples = offsets?.Segments ?? ids.Length / sharing;
        int most = Math.Max(1, LaunchShape.Cover(ids.Length, IdsPerChunk));
        int chunk = Math.Max(1, LaunchShape.Cover(examples, Math.Min(most, MostChunks)));
        var arguments = new DiagonalGramArguments(diagonal, alpha, beta)
        {
            Ids = (nint)ids.Pointer,
            Starts = offsets is null ? 0 : (nint)offsets.View.Pointer,
            Rows = ids.Length,
            Examples = examples,
            Sharing = sharing,
            Scale = (int)scale,
            Chunk = chunk,
            Partials = LaunchShape.Cover(examples, chunk),
        };
        Launch("one_hot", new LaunchShape(LaunchShape.Cover(diagonal.Length, Threads), arguments.Partials, 1, Threads), arguments);
    }

    private void Launch(string kernel, LaunchShape shape, DiagonalGramArguments arguments)
    {
        if (arguments.Columns == 0)
        {
            return;
        }

        using CudaScratch.Scope scratch = stream.Scratch.Open();
        if (arguments.Partials > 0)
        {
            arguments = arguments with { Partial = scratch.Take((long)arguments.Partials * arguments.Columns * sizeof(double)) };
            stream.Queue.Launch(Module, kernel, shape, arguments);
        }

        stream.Queue.Launch(Module, "gather", LaunchShape.Row(LaunchShape.Cover(arguments.Columns, Threads), Threads), arguments);
    }
}

/// <summary>Mirrors <c>DiagonalGramArguments</c> of diagonal_gram.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct DiagonalGramArguments(VectorView<float> diagonal, float alpha, float beta)
{
    public nint X { get; init; }

    public readonly nint Diagonal = (nint)diagonal.Pointer;

    public nint Partial { get; init; }

    public nint Ids { get; init; }

    public nint Starts { get; init; }

    public long XStride { get; init; }

    public int Rows { get; init; }

    public readonly int Columns = diagonal.Length;

    public int Examples { get; init; }

    public int Sharing { get; init; }

    public int Scale { get; init; }

    public int Partials { get; init; }

    public int Chunk { get; init; }

    public readonly float Alpha = alpha;
    public readonly float Beta = beta;
}
