namespace KFac.Kernels.Cpu;

/// <summary>A matrix cut into tiles of about as many elements each, numbered row by row: by its shape only, so that
/// what is computed tile by tile does not depend on threads.</summary>
internal readonly struct TileGrid
{
    private readonly long _rows;
    private readonly long _columns;
    private readonly long _rowsPerTile;
    private readonly long _columnsPerTile;
    private readonly long _across;

    /// <param name="elements">Elements a tile, about.</param>
    /// <param name="leastRows">Rows that a tile has at least, as far as there are any; at most <paramref name="elements"/>.</param>
    public TileGrid(long rows, long columns, int elements, int leastRows = 1)
    {
        _rows = rows;
        _columns = columns;
        _columnsPerTile = Math.Clamp(columns, 1, elements / leastRows);
        _rowsPerTile = elements / _columnsPerTile;
        _across = (columns + _columnsPerTile - 1) / _columnsPerTile;
        Tiles = checked((int)(_across * ((rows + _rowsPerTile - 1) / _rowsPerTile)));
    }

    /// <summary>Number of tiles; 0 for an empty matrix.</summary>
    public int Tiles { get; }

    /// <summary>Tiles beside each other.</summary>
    public int Across => (int)_across;

    /// <summary>Where a tile lies.</summary>
    public Tile this[int index]
    {
        get
        {
            long row = index / _across * _rowsPerTile;
            long column = index % _across * _columnsPerTile;
            return new Tile(
                row, Math.Min(row + _rowsPerTile, _rows), column, (int)Math.Min(_columnsPerTile, _columns - column));
        }
    }

    /// <summary>Rows <paramref name="FirstRow"/> to <paramref name="EndRow"/> (exclusive) of some columns.</summary>
    public readonly record struct Tile(long FirstRow, long EndRow, long Column, int Columns);
}
