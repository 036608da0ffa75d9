using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Reduction"/> on the GPU: blocks leave partial results, which one more block combines.</summary>
/// <remarks>How many blocks there are, and with it the order of additions, depends on the shape alone.</remarks>
internal sealed class CudaReduction(CudaStream stream) : IReductionKernel
{
    private const string Module = "reduction";
    private const int Threads = 256;

    // Enough to fill any GPU, few enough for one block to add.
    private const int MostBlocks = 1024;
    private const int LeastPacksPerThread = 4;
    private const int Tile = 32;
    private const int RowsOfThreads = Threads / Tile;
    private const int LeastChunk = 64;
    private const int MostChunks = 256;

    public void Sum(MatrixView<float> x, VectorView<double> result) =>
        Reduce("sum", "gather_sum", new ReductionArguments(x, x, ElementRange.Of(x)), Address(result));

    public void Dot(MatrixView<float> x, MatrixView<float> y, VectorView<double> result) =>
        Reduce("dot", "gather_sum", new ReductionArguments(x, y, ElementRange.Of(x, y)), Address(result));

    public void Trace(MatrixView<float> x, VectorView<double> result)
    {
        var arguments = new ReductionArguments(x, x, ElementRange.ByRows(x.Rows, x)) { Partial = Address(result) };
        stream.Queue.Launch(Module, "trace", LaunchShape.Row(1, Threads), arguments);
    }

    public void MaxAsymmetry(MatrixView<float> x, VectorView<double> result)
    {
        int tiles = LaunchShape.Cover(x.Rows, Tile);
        int partials = tiles * (tiles + 1) / 2;
        using CudaScratch.Scope scratch = stream.Scratch.Open();
        var arguments = new ReductionArguments(x, x, ElementRange.ByRows(x.Rows, x))
        {
            Partial = scratch.Take((long)partials * sizeof(double)),
            Result = Address(result),
            Partials = partials,
        };
        if (tiles > 0)
        {
            stream.Queue.Launch(Module, "max_asymmetry", new LaunchShape(tiles, tiles, 1, Threads), arguments);
        }

        stream.Queue.Launch(Module, "gather_maximum", LaunchShape.Row(1, Threads), arguments);
    }

    public void ColumnSum(MatrixView<float> x, float alpha, float beta, VectorView<float> row)
    {
        if (row.IsEmpty)
        {
            return;
        }

        int chunk = Math.Max(LeastChunk, LaunchShape.Cover(x.Rows, MostChunks));
        int chunks = Math.Max(1, LaunchShape.Cover(x.Rows, chunk));
        using CudaScratch.Scope scratch = stream.Scratch.Open();
        var arguments = new ReductionArguments(x, x, ElementRange.ByRows(x.Rows, x))
        {
            Partial = chunks == 1 ? 0 : scratch.Take((long)chunks * x.Columns * sizeof(double)),
            Result = Address(row),
            Partials = chunks,
            Chunk = chunk,
            Alpha = alpha,
            Beta = beta,
        };
        var shape = new LaunchShape(LaunchShape.Cover(x.Columns, Tile), chunks, 1, Tile, RowsOfThreads);
        stream.Queue.Launch(Module, "column_sum", shape, arguments);
        if (chunks > 1)
        {
            stream.Queue.Launch(
                Module, "gather_column_sum", LaunchShape.Row(LaunchShape.Cover(x.Columns, Threads), Threads), arguments);
        }
    }

    public void RowDot(MatrixView<float> x, MatrixView<float> y, float alpha, VectorView<float> result)
    {
        if (!result.IsEmpty)
        {
            ElementRange range = ElementRange.ByRows(x.Rows, x, y);
            RowGrid grid = RowGrid.Of(range);
            stream.Queue.Launch(
                Module,
                grid.ByWarps ? "row_dot_by_warps" : "row_dot_by_blocks",
                grid.Shape,
                new ReductionArguments(x, y, range) { Result = Address(result), Alpha = alpha });
        }
    }

    public void FirstNonFinite(MatrixView<float> x, VectorView<long> result) =>
        Reduce("first_non_finite", "gather_first", new ReductionArguments(x, x, ElementRange.Of(x)), Address(result));

    public void CountCorrect(MatrixView<float> scores, VectorView<int> labels, VectorView<long> result)
    {
        ElementRange range = ElementRange.ByRows(scores.Rows, scores);
        var arguments = new ReductionArguments(scores, scores, range) { Labels = Address(labels) };
        Reduce("count_correct", "gather_count", arguments, Address(result), RowGrid.RowsByWarps(range, MostBlocks).GridX);
    }

    private static unsafe nint Address<T>(VectorView<T> vector)
        where T : unmanaged => (nint)vector.Pointer;

    private void Reduce(string kernel, string gather, ReductionArguments arguments, nint result)
    {
        int packs = LaunchShape.Cover((long)arguments.Range.Rows * arguments.Range.Columns, arguments.Range.Pack);
        Reduce(kernel, gather, arguments, result, Math.Min(LaunchShape.Cover(packs, Threads * LeastPacksPerThread), MostBlocks));
    }

    private void Reduce(string kernel, string gather, ReductionArguments arguments, nint result, int blocks)
    {
        using CudaScratch.Scope scratch = stream.Scratch.Open();
        arguments = arguments with
        {
            Partial = scratch.Take(Math.Max(blocks, 1) * sizeof(double)),
            Result = result,
            Partials = blocks,
        };
        if (blocks > 0)
        {
            stream.Queue.Launch(Module, kernel, LaunchShape.Row(blocks, Threads), arguments);
        }

        stream.Queue.Launch(Module, gather, LaunchShape.Row(1, Threads), arguments);
    }
}

/// <summary>Mirrors <c>ReductionArguments</c> of reduction.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct ReductionArguments(MatrixView<float> x, MatrixView<float> y, ElementRange range)
{
    public readonly nint X = (nint)x.Pointer;
    public readonly nint Y = (nint)y.Pointer;

    public nint Labels { get; init; }

    public nint Partial { get; init; }

    public nint Result { get; init; }

    public readonly long XStride = x.RowStride;
    public readonly long YStride = y.RowStride;
    public readonly ElementRange Range = range;

    public int Partials { get; init; }

    public int Chunk { get; init; }

    public float Alpha { get; init; }

    public float Beta { get; init; }
}
