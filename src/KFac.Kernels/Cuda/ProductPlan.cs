namespace KFac.Kernels.Cuda;

/// <summary>How a product is spread over a GPU: the size of its tiles, and into how many ranges its depth is cut.</summary>
/// <remarks>
/// Chosen by shape alone, for the least estimated time. A multiprocessor works through its blocks at a rate that the tile's
/// size sets; a last wave that is not full costs as much as a full one; ranges fill it, but their sums are written and read
/// once more. Units are the time of one slice of 32 depths of a 128×128 tile. The estimates are counted, not measured:
/// <see cref="SmallTileCost"/> and <see cref="BytesPerUnit"/> are what to measure first on a GPU.
/// </remarks>
internal readonly record struct ProductPlan(bool Large, int Parts, int PartDepth)
{
    /// <summary>Depths that a block holds in shared memory at a time; as slice_depth in product_operand.cuh.</summary>
    public const int SliceDepth = 32;

    private const int LargeTile = 128;
    private const int SmallTile = 64;
    private const int MostParts = 64;
    private const int LeastPartDepth = 4 * SliceDepth;

    /// <summary>A 64×64 tile has a quarter of the work, at less reuse.</summary>
    private const double SmallTileCost = 0.32;

    /// <summary>Slices that starting a block and writing its results cost.</summary>
    private const double BlockOverhead = 2;

    /// <summary>Units that a second kernel costs.</summary>
    private const double LaunchOverhead = 2;

    /// <summary>Bytes of global memory that a multiprocessor moves in a unit.</summary>
    private const double BytesPerUnit = 50e3;

    /// <summary>Rows and columns of a tile.</summary>
    public int Tile => Large ? LargeTile : SmallTile;

    /// <summary>Tiles of the whole result.</summary>
    public static ProductPlan ForProduct(GpuProperties gpu, int m, int n, int depth, int batch) =>
        Best(gpu, (long)m * n * batch, depth, ProductTiles(m, n, LargeTile) * batch, ProductTiles(m, n, SmallTile) * batch);

    /// <summary>Tiles of one triangle.</summary>
    public static ProductPlan ForTriangle(GpuProperties gpu, int width, int depth, int batch) =>
        Best(gpu, (long)width * width / 2 * batch, depth, (long)TriangleTiles(width, LargeTile) * batch, (long)TriangleTiles(width, SmallTile) * batch);

    /// <summary>Tiles of a lower triangle, its diagonal included.</summary>
    public static int TriangleTiles(int width, int tile)
    {
        long rows = LaunchShape.Cover(width, tile);
        return checked((int)(rows * (rows + 1) / 2));
    }

    private static long ProductTiles(int m, int n, int tile) => (long)LaunchShape.Cover(m, tile) * LaunchShape.Cover(n, tile);

    private static ProductPlan Best(GpuProperties gpu, long results, int depth, long largeTiles, long smallTiles)
    {
        ProductPlan best = default;
        double least = double.PositiveInfinity;
        for (int parts = 1; parts <= MostParts && (parts == 1 || depth >= (long)parts * LeastPartDepth); parts++)
        {
            int slices = LaunchShape.Cover(LaunchShape.Cover(depth, parts), SliceDepth);
            int used = LaunchShape.Cover(depth, slices * SliceDepth);
            double extra = parts == 1 ? 0 : LaunchOverhead + (8.0 * used * results / BytesPerUnit / gpu.Multiprocessors);
            Consider(true, largeTiles * used, (slices + BlockOverhead) * 1);
            Consider(false, smallTiles * used, (slices + BlockOverhead) * SmallTileCost);

            void Consider(bool large, long blocks, double blockTime)
            {
                double time = (Math.Ceiling((double)blocks / gpu.Multiprocessors) * blockTime) + extra;
                if (time < least)
                {
                    least = time;
                    best = new ProductPlan(large, used, slices * SliceDepth);
                }
            }
        }

        return best;
    }
}
