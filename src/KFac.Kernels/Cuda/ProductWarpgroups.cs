using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>Which products go to the kernels of product_warpgroup.cuh, and what those need of a launch.</summary>
internal static class ProductWarpgroups
{
    /// <summary>Sums below this many terms have a smaller error bound elsewhere: product_warpgroup.cuh says why.</summary>
    private const int LeastDepth = 96;

    private const int Rows = 128;
    private const int Threads = 384;
    private const int PartSlots = 2;
    private const int ColumnSumWords = 512;

    /// <summary>Rows and columns of a copied box of a factor whose neighbouring lines are neighbours in memory.</summary>
    private const int LinesBoxRows = ProductPlan.SliceDepth;

    /// <summary>Rows of a copied box of a factor whose neighbouring depths are.</summary>
    private const int DepthBoxRows = Rows;

    /// <summary>Whether products of this kind are taken; the caller asks for each factor whether it <see cref="TensorMapShape.Fits"/>.</summary>
    public static bool Take(CudaDevice device, MatrixPrecision precision, ProductPlan plan, int depth) =>
        device.Warpgroups && precision is MatrixPrecision.Float32 or MatrixPrecision.Tf32 && plan.Large && depth >= LeastDepth;

    /// <summary>Whether the tiles of a general product keep a GPU busy. The plan counted square ones: of wider ones there may be so few that
    /// others, slower by themselves, are done earlier.</summary>
    public static bool Fill(GpuProperties gpu, MatrixPrecision precision, ProductPlan plan, int m, int n, int batch)
    {
        long tiles = (long)LaunchShape.Cover(m, plan.Tile) * LaunchShape.Cover(n, Columns(precision));
        return Columns(precision) == plan.Tile || 4 * tiles * plan.Parts * batch >= 3L * gpu.Multiprocessors;
    }

    /// <summary>Columns of a tile of a general product. The tiles of a triangle are square.</summary>
    public static int Columns(MatrixPrecision precision) => precision == MatrixPrecision.Tf32 ? 256 : 128;

    /// <summary>A launch of blocks that compute a tile each; shared memory as WarpgroupTile has it.</summary>
    public static LaunchShape Shape(MatrixPrecision precision, int columns, int tiles, int parts, int batch)
    {
        int ahead = columns == 128 ? 3 : 2;
        int elementParts = precision == MatrixPrecision.Float32 ? 2 : 1;
        int lines = ((ahead + PartSlots) * Rows) + ((ahead + 1) * columns) + (PartSlots * elementParts * columns);
        int barriers = ahead + (3 * PartSlots);
        int bytes = (((lines * ProductPlan.SliceDepth) + ColumnSumWords) * sizeof(float)) + (barriers * sizeof(long));
        return new LaunchShape(tiles, parts, batch, Threads, sharedBytes: bytes);
    }

    /// <summary>The map of a factor as it is stored.</summary>
    /// <param name="alongLines">Whether neighbouring lines, not depths, are neighbours in memory.</param>
    public static TensorMap Map(GpuRuntime runtime, bool alongLines, nint address, int rows, int columns, long stride, int matrices, long matrixStride) =>
        runtime.EncodeTensorMap(new TensorMapShape(
            address, columns, rows, stride, matrices, matrixStride, alongLines ? LinesBoxRows : DepthBoxRows));
}

/// <summary>Mirrors <c>GemmWarpgroupArguments</c> of gemm_warpgroup.sm_90a.cu.</summary>
[StructLayout(LayoutKind.Sequential, Size = 384)]
internal readonly struct GemmWarpgroupArguments
{
    public readonly TensorMap A;
    public readonly TensorMap B;
    public readonly GemmKernelArguments Product;

    /// <param name="batch">Matrices from the first that <paramref name="product"/> names.</param>
    public GemmWarpgroupArguments(GpuRuntime runtime, in GemmArguments arguments, in GemmKernelArguments product, int batch)
    {
        (bool transposeA, bool transposeB) = (arguments.TransposeA == Transpose.Yes, arguments.TransposeB == Transpose.Yes);
        (int m, int n, int k) = (product.M, product.N, product.K);
        A = ProductWarpgroups.Map(
            runtime, transposeA, product.A, transposeA ? k : m, transposeA ? m : k, product.AStride, batch, product.ABatch);
        B = ProductWarpgroups.Map(
            runtime, !transposeB, product.B, transposeB ? n : k, transposeB ? k : n, product.BStride, batch, product.BBatch);
        Product = product;
    }
}

/// <summary>Mirrors <c>GramWarpgroupArguments</c> of gram_warpgroup.sm_90a.cu.</summary>
[StructLayout(LayoutKind.Sequential, Size = 256)]
internal readonly struct GramWarpgroupArguments(GpuRuntime runtime, in GramKernelArguments product, int batch)
{
    public readonly TensorMap X = ProductWarpgroups.Map(
        runtime, alongLines: true, product.X, product.Rows, product.Columns, product.XStride, batch, product.XBatch);

    public readonly GramKernelArguments Product = product;
}
