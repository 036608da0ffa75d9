using System.Numerics;
using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><see cref="Gram"/> on the GPU: gram.cu. Rows are reduced to a compact matrix first, one triangle is multiplied, and
/// written twice.</summary>
internal sealed unsafe class CudaGram(CudaStream stream) : IGramKernel
{
    private const int FinishTile = 32;
    private const int Threads = 256;

    private static readonly Dictionary<MatrixPrecision, (string Module, string Small, string Large)> s_kernels =
        Enum.GetValues<MatrixPrecision>().ToDictionary(static precision => precision, Kernels);

    public void Run(in GramArguments arguments)
    {
        if (arguments.Gram.Columns == 0)
        {
            return;
        }

        using CudaScratch.Scope scope = stream.Scratch.Open();
        MatrixView<float> x = arguments.X;
        if (arguments.Offsets is null && arguments.Sharing == 1)
        {
            var rows = new GramRows((nint)x.Pointer, x.RowStride, x.Rows, x.Columns, arguments.AppendOnes);
            Accumulate(scope, rows, arguments.Alpha, arguments.Beta, arguments.Gram);
            return;
        }

        int segments = arguments.Offsets?.Segments ?? (x.Rows / arguments.Sharing);
        int width = arguments.Gram.Columns;
        int stride = LaunchShape.Cover(width, 4) * 4;
        nint reduced = scope.Take((long)segments * stride * sizeof(float));
        if (segments > 0)
        {
            Reduce(arguments, segments, reduced, stride);
        }

        Accumulate(scope, new GramRows(reduced, stride, segments, width, false), arguments.Alpha, arguments.Beta, arguments.Gram);
    }

    /// <summary><c>gram ← alpha·XᵀX + beta·gram</c>, for other kernels that make the rows themselves.</summary>
    public void Accumulate(CudaScratch.Scope scope, GramRows rows, float alpha, float beta, MatrixView<float> gram)
    {
        if (rows.Count == 0 || rows.Columns == 0 || alpha == 0)
        {
            Finish(rows, default, 0, alpha, beta, gram);
            return;
        }

        MatrixPrecision precision = ProductModule.Effective(stream.Device.Precision, rows.Count);
        ProductPlan plan = ProductPlan.ForTriangle(stream.Properties, rows.Columns, rows.Count);
        int stride = LaunchShape.Cover(rows.Columns, 4) * 4;
        long size = (long)rows.Columns * stride;
        var parts = new GramParts(
            scope.Take(size * plan.Parts * sizeof(float)),
            rows.AppendOnes ? scope.Take((long)rows.Columns * plan.Parts * sizeof(float)) : 0,
            stride,
            size);
        (string module, string small, string large) = s_kernels[precision];
        stream.Queue.Launch(
            module,
            plan.Large ? large : small,
            ProductModule.Shape(precision, plan.Large, ProductPlan.TriangleTiles(rows.Columns, plan.Tile), plan.Parts, 1),
            new GramKernelArguments(rows, parts, plan.PartDepth));
        Finish(rows, parts, plan.Parts, alpha, beta, gram);
    }

    private static (string Module, string Small, string Large) Kernels(MatrixPrecision precision)
    {
        string name = ProductModule.Name(precision);
        return (precision == MatrixPrecision.Float32 ? "gram" : $"gram_{name}", $"gram_{name}_small", $"gram_{name}_large");
    }

    private void Finish(GramRows rows, GramParts parts, int count, float alpha, float beta, MatrixView<float> gram) =>
        stream.Queue.Launch(
            "gram",
            "gram_finish",
            LaunchShape.Row(ProductPlan.TriangleTiles(gram.Columns, FinishTile), Threads),
            new GramFinishArguments(rows, parts, count, alpha, beta, gram));

    private void Reduce(in GramArguments arguments, int segments, nint reduced, int stride)
    {
        MatrixView<float> x = arguments.X;
        bool aligned = ProductModule.IsAligned((nint)x.Pointer, x.RowStride);
        int chunks = Math.Max(1, LaunchShape.Cover(x.Columns, aligned ? 4 : 1));
        int lanes = Math.Min(64, (int)BitOperations.RoundUpToPowerOf2((uint)chunks));
        stream.Queue.Launch(
            "gram_reduce",
            aligned ? "gram_reduce_aligned" : "gram_reduce",
            new LaunchShape(segments, LaunchShape.Cover(chunks, lanes), 1, Threads),
            new GramReduceArguments(arguments, reduced, stride, lanes));
    }
}

/// <summary>Rows of a Gram matrix as they lie in device memory.</summary>
internal readonly record struct GramRows(nint Address, long Stride, int Count, int Columns, bool AppendOnes);

/// <summary>Where the products of ranges of rows go, and the sums of their columns.</summary>
internal readonly record struct GramParts(nint Products, nint ColumnSums, long Stride, long Size);

/// <summary>Mirrors <c>GramArguments</c> of gram.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct GramKernelArguments(GramRows rows, GramParts parts, int partDepth)
{
    public readonly nint X = rows.Address;
    public readonly nint Parts = parts.Products;
    public readonly nint ColumnSums = parts.ColumnSums;
    public readonly long XStride = rows.Stride;
    public readonly long PartStride = parts.Stride;
    public readonly long PartSize = parts.Size;
    public readonly int Rows = rows.Count;
    public readonly int Columns = rows.Columns;
    public readonly int PartDepth = partDepth;
    public readonly int Aligned = ProductModule.IsAligned(rows.Address, rows.Stride) ? 1 : 0;
}

/// <summary>Mirrors <c>GramFinishArguments</c> of gram.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct GramFinishArguments(
    GramRows rows, GramParts parts, int count, float alpha, float beta, MatrixView<float> gram)
{
    public readonly nint Parts = parts.Products;
    public readonly nint ColumnSums = parts.ColumnSums;
    public readonly nint Gram = (nint)gram.Pointer;
    public readonly long PartStride = parts.Stride;
    public readonly long PartSize = parts.Size;
    public readonly long GramStride = gram.RowStride;
    public readonly int Columns = rows.Columns;
    public readonly int AppendOnes = rows.AppendOnes ? 1 : 0;
    public readonly int PartsCount = count;
    public readonly float Ones = rows.Count;
    public readonly float Alpha = alpha;
    public readonly float Beta = beta;
}

/// <summary>Mirrors <c>GramReduceArguments</c> of gram.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct GramReduceArguments(in GramArguments arguments, nint reduced, int stride, int lanes)
{
    public readonly nint X = (nint)arguments.X.Pointer;
    public readonly nint Y = reduced;
    public readonly nint Offsets = arguments.Offsets is { } offsets ? (nint)offsets.View.Pointer : 0;
    public readonly long XStride = arguments.X.RowStride;
    public readonly long YStride = stride;
    public readonly int Columns = arguments.X.Columns;
    public readonly int Sharing = arguments.Sharing;
    public readonly int Scale = (int)arguments.Scale;
    public readonly int AppendOnes = arguments.AppendOnes ? 1 : 0;
    public readonly int Lanes = lanes;
}
