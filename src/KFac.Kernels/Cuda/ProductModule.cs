namespace KFac.Kernels.Cuda;

/// <summary>Names of the tiled products' kernels by precision, and what they need of a launch: Shapes in product_tile.cuh.</summary>
internal static class ProductModule
{
    /// <summary>Sums below this many terms take <see cref="MatrixPrecision.Fma"/> where float32's accuracy is wanted: product_multiplier.cuh says why.</summary>
    private const int LeastSplitDepth = 32;

    private const int Stages = 3;

    /// <summary>The precision that keeps the error bound at this depth.</summary>
    public static MatrixPrecision Effective(MatrixPrecision precision, int depth) =>
        precision == MatrixPrecision.Float32 && depth < LeastSplitDepth ? MatrixPrecision.Fma : precision;

    /// <summary>As the kernels' names have it.</summary>
    public static string Name(MatrixPrecision precision) => precision switch
    {
        MatrixPrecision.Float32 => "split",
        MatrixPrecision.Tf32 => "tf32",
        MatrixPrecision.Bfloat16 => "bf16",
        _ => "fma",
    };

    /// <summary>A launch of blocks that compute a tile each.</summary>
    public static LaunchShape Shape(MatrixPrecision precision, bool large, int tiles, int parts, int batch)
    {
        bool wideWarps = precision is MatrixPrecision.Tf32 or MatrixPrecision.Bfloat16;
        int threads = large && !wideWarps ? 256 : 128;
        int tile = large ? 128 : 64;
        return new LaunchShape(tiles, parts, batch, threads, sharedBytes: Stages * 2 * tile * ProductPlan.SliceDepth * sizeof(float));
    }

    /// <summary>Whether rows start at multiples of 16 bytes.</summary>
    public static bool IsAligned(nint address, long stride) => address % 16 == 0 && stride % 4 == 0;
}
