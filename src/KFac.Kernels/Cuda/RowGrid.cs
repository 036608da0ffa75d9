namespace KFac.Kernels.Cuda;

/// <summary>The grid of kernels that work row by row: row_grid.cuh.</summary>
/// <param name="ByWarps">Whether a warp takes a row; else a block does.</param>
internal readonly record struct RowGrid(bool ByWarps, LaunchShape Shape)
{
    private const int Threads = 256;
    private const int WarpsPerBlock = Threads / 32;
    private const int MostBlocks = 1 << 14;

    // Eight packs of four for each lane: longer rows would leave most of a GPU idle where there are few of them.
    private const int LongestForWarp = 1024;

    /// <summary>By the length of the rows.</summary>
    public static RowGrid Of(ElementRange range) => range.Columns <= LongestForWarp
        ? new RowGrid(true, RowsByWarps(range, MostBlocks))
        : new RowGrid(false, LaunchShape.Row(Math.Min(range.Rows, MostBlocks), Threads));

    /// <summary>A warp a row, whatever its length.</summary>
    public static LaunchShape RowsByWarps(ElementRange range, int mostBlocks) =>
        LaunchShape.Row(Math.Min(LaunchShape.Cover(range.Rows, WarpsPerBlock), mostBlocks), Threads);
}
