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
            var rows = new GramRows((nint)x.Pointer, x.RowStride, x.Rows, x.Columns) { AppendOnes = arguments.AppendOnes };
            Accumulate(scope, rows, arguments.Alpha, arguments.Beta, arguments.Gram);
            return;
        }

        int segments = arguments.Offsets?.Segments ?? (x.Rows / arguments.Sharing);
        int width = arguments.Gram.Columns;
        int stride = LaunchShape.Cover(width, 4) * 4;
        nint reduced = scope.Take((long)segments * stride * sizeof(float));
        Reduce(new GramReduceArguments(arguments, reduced, stride), segments);

        Accumulate(scope, new GramRows(reduced, stride, segments, width), arguments.Alpha, arguments.Beta, arguments.Gram);
    }

    /// <summary><c>gram ← alpha·XᵀX + beta·gram</c> for every matrix of the batch, for other kernels that make the rows themselves.</summary>
    /// <param name="gram">The results of the batch, stacked.</param>
    public void Accumulate(CudaScratch.Scope scope, GramRows rows, float alpha, float beta, MatrixView<float> gram)
    {
        if (rows.Count == 0 || rows.Columns == 0 || alpha == 0)
        {
            Finish(rows, default, 0, alpha, beta, gram);
            return;
        }

        MatrixPrecision precision = ProductModule.Effective(stream.Device.Precision, rows.Count);
        ProductPlan plan = ProductPlan.ForTriangle(stream.Properties, rows.Columns, rows.Count, rows.Batch);
        bool warpgroups = ProductWarpgroups.Take(stream.Device, precision, plan, rows.Count)
            && TensorMapShape.Fits(rows.Address, rows.Stride, rows.Batch, rows.BatchStride);
        bool whole = plan.Parts == 1 && !rows.AppendOnes && !warpgroups;
        GramParts parts = whole ? default : TakeParts(scope, rows, plan.Parts);
        for (int first = 0; first < rows.Batch; first += LaunchShape.MaxGridYZ)
        {
            int batch = Math.Min(LaunchShape.MaxGridYZ, rows.Batch - first);
            var product = new GramKernelArguments(rows, parts, plan, first);
            Multiply(whole ? product.Into(gram, alpha, beta, first) : product, precision, plan, batch, warpgroups);
        }

        if (!whole)
        {
            Finish(rows, parts, plan.Parts, alpha, beta, gram);
        }
    }

    private static GramParts TakeParts(CudaScratch.Scope scope, GramRows rows, int count)
    {
        int stride = LaunchShape.Cover(rows.Columns, 4) * 4;
        long size = (long)rows.Columns * stride;
        return new GramParts(
            scope.Take(size * count * rows.Batch * sizeof(float)),
            rows.AppendOnes ? scope.Take((long)rows.Columns * count * rows.Batch * sizeof(float)) : 0,
            stride,
            size);
    }

    private void Multiply(in GramKernelArguments product, MatrixPrecision precision, ProductPlan plan, int batch, bool warpgroups)
    {
        int tiles = ProductPlan.TriangleTiles(product.Columns, plan.Tile);
        if (warpgroups)
        {
            stream.Queue.Launch(
                "gram_warpgroup",
                precision == MatrixPrecision.Tf32 ? "gram_warpgroup_tf32" : "gram_warpgroup_split",
                ProductWarpgroups.Shape(precision, plan.Tile, tiles, plan.Parts, batch),
                new GramWarpgroupArguments(stream.Device.Runtime, product, batch));
            return;
        }

        (string module, string small, string large) = s_kernels[precision];
        stream.Queue.Launch(
            module, plan.Large ? large : small, ProductModule.Shape(precision, plan.Large, tiles, plan.Parts, batch), product);
    }

    private static (string Module, string Small, string Large) Kernels(MatrixPrecision precision)
    {
        string name = ProductModule.Name(precision);
        return (precision == MatrixPrecision.Float32 ? "gram" : $"gram_{name}", $"gram_{name}_small", $"gram_{name}_large");
    }

    private void Finish(GramRows rows, GramParts parts, int count, float alpha, float beta, MatrixView<float> gram)
    {
        int tiles = ProductPlan.TriangleTiles(gram.Columns, FinishTile);
        for (int first = 0; first < rows.Batch; first += LaunchShape.MaxGridYZ)
        {
            int batch = Math.Min(LaunchShape.MaxGridYZ, rows.Batch - first);
            stream.Queue.Launch(
                "gram", "gram_finish", new LaunchShape(tiles, 1, batch, Threads), new GramFinishArguments(rows, parts, count, alpha, beta, gram, first));
        }
    }

    /// <summary>One row per example; <paramref name="lanes"/> threads along the columns at most.</summary>
    public void Reduce(GramReduceArguments arguments, int segments, int lanes = 64)
    {
        if (segments == 0)
        {
            return;
        }

        bool aligned = ProductModule.IsAligned(arguments.X, arguments.XStride);
        int chunks = Math.Max(1, LaunchShape.Cover(arguments.Columns, aligned ? 4 : 1));
        arguments.Lanes = Math.Min(lanes, (int)BitOperations.RoundUpToPowerOf2((uint)chunks));
        arguments.Across = LaunchShape.Cover(chunks, arguments.Lanes);
        stream.Queue.Launch(
            "gram_reduce",
            aligned ? "gram_reduce_aligned" : "gram_reduce",
            LaunchShape.Row(checked(segments * arguments.Across), Threads),
            arguments);
    }
}

/// <summary>Rows of Gram matrices as they lie in device memory.</summary>
internal readonly record struct GramRows(nint Address, long Stride, int Count, int Columns)
{
    /// <summary>Whether a column of ones follows the columns.</summary>
    public bool AppendOnes { get; init; }

    /// <summary>Matrices of the batch.</summary>
    public int Batch { get; init; } = 1;

    /// <summary>Elements from one matrix of the batch to the next.</summary>
    public long BatchStride { get; init; }
}

/// <summary>Where the products of ranges of rows go, and the sums of their columns.</summary>
internal readonly record struct GramParts(nint Products, nint ColumnSums, long Stride, long Size);

/// <summary>Mirrors <c>GramKernelArguments</c> of gram_kernel.cuh.</summary>
/// <param name="first">The first matrix of the batch that is computed.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct GramKernelArguments(GramRows rows, GramParts parts, ProductPlan plan, int first)
{
    public readonly nint X = rows.Address + (nint)(first * rows.BatchStride * sizeof(float));
    public readonly nint Parts = parts.Products + (nint)(first * plan.Parts * parts.Size * sizeof(float));
    public readonly nint ColumnSums = parts.ColumnSums == 0 ? 0 : parts.ColumnSums + ((nint)first * plan.Parts * rows.Columns * sizeof(float));
    public readonly long XStride = rows.Stride;
    public readonly long PartStride = parts.Stride;
    public readonly long PartSize = parts.Size;
    public readonly long XBatch = rows.BatchStride;

    public nint Gram { get; private init; }

    public long GramStride { get; private init; }

    public long GramBatch { get; private init; }

    public int Rows { get; } = rows.Count;

    public int Columns { get; } = rows.Columns;

    public int PartDepth { get; } = plan.PartDepth;

    public int Aligned { get; private init; } = ProductModule.IsAligned(rows.Address, rows.Stride) && rows.BatchStride % 4 == 0 ? 1 : 0;

    public float Alpha { get; private init; }

    public float Beta { get; private init; }

    /// <summary>The same, with the result itself instead of a part of it.</summary>
    public GramKernelArguments Into(MatrixView<float> gram, float alpha, float beta, int first)
    {
        long size = (long)gram.Columns * gram.RowStride;
        var address = (nint)(gram.Pointer + (first * size));
        return this with
        {
            Gram = address,
            GramStride = gram.RowStride,
            GramBatch = size,
            Aligned = Aligned | (ProductModule.IsAligned(address, gram.RowStride) ? 2 : 0),
            Alpha = alpha,
            Beta = beta,
        };
    }
}

/// <summary>Mirrors <c>GramFinishArguments</c> of gram.cu.</summary>
/// <param name="first">The first matrix of the batch that is finished.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct GramFinishArguments(
    GramRows rows, GramParts parts, int count, float alpha, float beta, MatrixView<float> gram, int first)
{
    public readonly nint Parts = parts.Products + (nint)(first * count * parts.Size * sizeof(float));
    public readonly nint ColumnSums = parts.ColumnSums + ((nint)first * count * rows.Columns * sizeof(float));
    public readonly nint Gram = (nint)(gram.Pointer + ((long)first * gram.Columns * gram.RowStride));
    public readonly long PartStride = parts.Stride;
    public readonly long PartSize = parts.Size;
    public readonly long GramStride = gram.RowStride;
    public readonly long GramBatch = (long)gram.Columns * gram.RowStride;
    public readonly int Columns = rows.Columns;
    public readonly int AppendOnes = rows.AppendOnes ? 1 : 0;
    public readonly int PartsCount = count;
    public readonly float Ones = rows.Count;
    public readonly float Alpha = alpha;
    public readonly float Beta = beta;
}

/// <summary>Mirrors <c>GramReduceArguments</c> of gram_reduce.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct GramReduceArguments
{
    public nint X;
    public nint Y;
    public nint Offsets;
    public long XStride;
    public long YStride;
    public int Columns;
    public int Sharing;
    public int Scale;
    public int AppendOnes;
    public int Lanes;
    public int Across;

    public GramReduceArguments(in GramArguments arguments, nint reduced, int stride)
    {
        X = (nint)arguments.X.Pointer;
        Y = reduced;
        Offsets = arguments.Offsets is { } offsets ? (nint)offsets.View.Pointer : 0;
        XStride = arguments.X.RowStride;
        YStride = stride;
        Columns = arguments.X.Columns;
        Sharing = arguments.Sharing;
        Scale = (int)arguments.Scale;
        AppendOnes = arguments.AppendOnes ? 1 : 0;
    }
}
