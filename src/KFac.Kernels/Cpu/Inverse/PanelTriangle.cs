namespace KFac.Kernels.Cpu;

/// <summary>The lower triangle of a symmetric matrix as panels: columns <c>p·Columns</c> to <c>(p + 1)·Columns</c> from their first row on.</summary>
/// <remarks>Every tile of it, and every block of rows of one panel, is contiguous: no row collides with another in the
/// cache, the processor's prefetch follows, and a block is at once an operand of the register tile. Rows are padded to whole tiles.</remarks>
/// <typeparam name="T">Element type.</typeparam>
/// <typeparam name="TTile">The tile, for its shape.</typeparam>
internal readonly unsafe struct PanelTriangle<T, TTile>(int n, T* memory)
    where T : unmanaged
    where TTile : struct, IPanelTile<T>
{
    /// <summary>Rows and columns of the matrix.</summary>
    public int Size { get; } = n;

    /// <summary>Rows with padding, a multiple of the tile's.</summary>
    public int Rows { get; } = PaddedRows(n);

    public int Panels { get; } = PanelCount(n);

    public static int PanelCount(int n) => (n + TTile.Columns - 1) / TTile.Columns;

    /// <summary>Elements of memory.</summary>
    public static long Length(int n) => Offset(PanelCount(n), PaddedRows(n));

    /// <summary>Element (row, p·Columns); rows lie <c>Columns</c> apart.</summary>
    /// <param name="row">At least <c>p·Columns</c>.</param>
    public T* Panel(int panel, int row) => memory + Offset(panel, Rows) + ((row - (panel * TTile.Columns)) * TTile.Columns);

    private static int PaddedRows(int n) => (n + TTile.Rows - 1) / TTile.Rows * TTile.Rows;

    private static long Offset(int panel, int rows)
    {
        long before = (long)panel * rows;
        long above = (long)panel * (panel - 1) / 2 * TTile.Columns;
        return (before - above) * TTile.Columns;
    }
}
