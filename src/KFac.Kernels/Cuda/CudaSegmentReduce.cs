using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="SegmentReduce"/> on the GPU: each input is read once, along its rows.</summary>
internal sealed class CudaSegmentReduce(CudaStream stream) : ISegmentReduceKernel
{
    private const string Module = "segment_reduce";
    private const int Lanes = 32;
    private const int RowsOfThreads = 8;

    public void Reduce(MatrixView<float> x, int sharing, SegmentOffsets? offsets, SharingScale scale, MatrixView<float> y) =>
        Launch("reduce_fours", "reduce_ones", x, y, ElementRange.ByRows(y.Rows, y, x), x.Rows, sharing, offsets, scale);

    public void Spread(MatrixView<float> y, int sharing, SegmentOffsets? offsets, SharingScale scale, MatrixView<float> x) =>
        Launch("spread_fours", "spread_ones", y, x, ElementRange.ByRows(y.Rows, y, x), x.Rows, sharing, offsets, scale);

    private void Launch(
        string byFours,
        string byOnes,
        MatrixView<float> source,
        MatrixView<float> destination,
        ElementRange range,
        int rows,
        int sharing,
        SegmentOffsets? offsets,
        SharingScale scale)
    {
        if (range.Rows == 0 || range.Columns == 0)
        {
            return;
        }

        // An example of few rows would leave most of eight threads without any.
        int threads = rows / range.Rows >= RowsOfThreads ? RowsOfThreads : 1;
        int pack = range.Columns % range.Pack == 0 ? range.Pack : 1;
        int blocks = Math.Min(LaunchShape.Cover(range.Rows, RowsOfThreads / threads), LaunchShape.MaxGridYZ);
        stream.Queue.Launch(
            Module,
            pack == 1 ? byOnes : byFours,
            new LaunchShape(LaunchShape.Cover(range.Columns, Lanes * pack), blocks, 1, Lanes, RowsOfThreads),
            new SegmentReduceArguments(source, destination, range, sharing, offsets, scale, threads));
    }
}

/// <summary>Mirrors <c>SegmentReduceArguments</c> of segment_reduce.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct SegmentReduceArguments(
    MatrixView<float> source,
    MatrixView<float> destination,
    ElementRange range,
    int sharing,
    SegmentOffsets? offsets,
    SharingScale scale,
    int threads)
{
    public readonly nint Source = (nint)source.Pointer;
    public readonly nint Destination = (nint)destination.Pointer;
    public readonly nint Starts = offsets is null ? 0 : (nint)offsets.View.Pointer;
    public readonly long SourceStride = source.RowStride;
    public readonly long DestinationStride = destination.RowStride;
    public readonly ElementRange Range = range;
    public readonly int Sharing = sharing;
    public readonly int Scale = (int)scale;
    public readonly int Threads = threads;
}
