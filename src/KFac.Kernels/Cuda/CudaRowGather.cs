using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="RowGather"/> on the GPU: row_gather.cu.</summary>
internal sealed class CudaRowGather(CudaStream stream) : IRowGatherKernel
{
    private const string Module = "row_gather";
    private const int Threads = 256;
    private const int WarpsPerBlock = Threads / 32;
    private const int MostBlocks = 1 << 14;
    private const int PacksPerStrip = 4 * 32;

    public void Gather(MatrixView<float> table, VectorView<int> indices, MatrixView<float> y)
    {
        if (!y.IsEmpty)
        {
            ElementRange range = Range(y.Rows, y, table);
            var arguments = new RowGatherArguments(CudaOccurrences.OfNone(indices, table.Rows), table, y, range, 0);
            stream.Queue.Launch(Module, range.Pack == 1 ? "gather_ones" : "gather_fours", Strips(range), arguments);
        }
    }

    public void ScatterAdd(MatrixView<float> x, VectorView<int> indices, float beta, MatrixView<float> table)
    {
        if (table.IsEmpty)
        {
            return;
        }

        if (beta != 1)
        {
            ElementRange all = ElementRange.ByRows(table.Rows, table);
            var arguments = new RowGatherArguments(default, table, default, all, beta);
            stream.Queue.Launch(Module, "scale_table", all.Shape, arguments);
        }

        if (!x.IsEmpty)
        {
            using CudaScratch.Scope scratch = stream.Scratch.Open();
            ElementRange range = Range(x.Rows, x, table);
            var arguments = new RowGatherArguments(CudaOccurrences.Find(stream, scratch, indices, table.Rows), table, x, range, beta);
            stream.Queue.Launch(Module, range.Pack == 1 ? "scatter_add_ones" : "scatter_add_fours", Strips(range), arguments);
        }
    }

    /// <summary>In packs where these cover whole rows.</summary>
    private static ElementRange Range(int rows, MatrixView<float> first, MatrixView<float> second)
    {
        ElementRange range = ElementRange.ByRows(rows, first, second);
        return range.Columns % range.Pack == 0 ? range : range.InOnes;
    }

    private static LaunchShape Strips(ElementRange range) => new(
        Math.Min(LaunchShape.Cover(range.Rows, WarpsPerBlock), MostBlocks), LaunchShape.Cover(range.Columns, PacksPerStrip * range.Pack), 1, Threads);
}

/// <summary>Mirrors <c>RowGatherArguments</c> of row_gather.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct RowGatherArguments(
    CudaOccurrences occurrences, MatrixView<float> table, MatrixView<float> rows, ElementRange range, float beta)
{
    public readonly CudaOccurrences Occurrences = occurrences;
    public readonly nint Table = (nint)table.Pointer;
    public readonly nint Rows = (nint)rows.Pointer;
    public readonly long TableStride = table.RowStride;
    public readonly long RowStride = rows.RowStride;
    public readonly ElementRange Range = range;
    public readonly float Beta = beta;
}
