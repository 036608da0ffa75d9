namespace KFac.Kernels.Cuda;

/// <summary>The grid of kernels that visit each element of a matrix once: element_grid.cuh.</summary>
internal static class ElementGrid
{
    /// <summary>Threads of a block.</summary>
    public const int Threads = 256;

    private const int MostBlocks = 1 << 16;

    /// <summary>Columns along x, rows along y; both strided, so that the grid may be smaller than the matrix.</summary>
    public static LaunchShape Shape(int rows, int columns)
    {
        int across = Math.Min(LaunchShape.Cover(columns, Threads), MostBlocks);
        return new LaunchShape(across, Math.Min(rows, Math.Max(1, MostBlocks / across)), 1, Threads);
    }
}
