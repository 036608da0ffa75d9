namespace KFac.Kernels.Cuda;

/// <summary>Blocks of a grid, threads of a block, and bytes of dynamic shared memory a block.</summary>
internal readonly record struct LaunchShape
{
    /// <summary>Blocks along y and z are at most this many.</summary>
    public const int MaxGridYZ = 65535;

    public LaunchShape(int gridX, int gridY, int gridZ, int blockX, int blockY = 1, int blockZ = 1, int sharedBytes = 0)
    {
        (GridX, GridY, GridZ) = (gridX, gridY, gridZ);
        (BlockX, BlockY, BlockZ) = (blockX, blockY, blockZ);
        SharedBytes = sharedBytes;
    }

    public int GridX { get; }

    public int GridY { get; }

    public int GridZ { get; }

    public int BlockX { get; }

    public int BlockY { get; }

    public int BlockZ { get; }

    public int SharedBytes { get; }

    /// <summary>Blocks of <paramref name="threads"/> threads in a row.</summary>
    public static LaunchShape Row(int blocks, int threads, int sharedBytes = 0) => new(blocks, 1, 1, threads, sharedBytes: sharedBytes);

    /// <summary>How many parts of <paramref name="size"/> cover <paramref name="length"/>.</summary>
    public static int Cover(long length, int size) => checked((int)((length + size - 1) / size));
}
