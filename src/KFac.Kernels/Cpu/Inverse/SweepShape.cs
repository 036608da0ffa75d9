namespace KFac.Kernels.Cpu;

/// <summary>How a <see cref="CholeskySweep{T, TTile}"/> is blocked: by size alone, so that bits depend on nothing else.</summary>
internal readonly struct SweepShape<T, TTile>
    where T : unmanaged
    where TTile : struct, IPanelTile<T>
{
    /// <summary>Up to this size, half the depth is faster.</summary>
    private const int ShallowLimit = 384;

    /// <summary>Panels of rows that one part of an update spans; with the tile's depth they stay in the second-level cache.</summary>
    private const int ChunkPanels = 8;

    public SweepShape(int n)
    {
        Depth = n <= ShallowLimit ? PanelSolve.ShallowDepth : PanelSolve.Depth;
        Rows = (n + TTile.Rows - 1) / TTile.Rows * TTile.Rows;
        Panels = PanelTriangle<T, TTile>.PanelCount(n);
    }

    /// <summary>Rows of a step's diagonal block, but for the last.</summary>
    public int Depth { get; }

    /// <summary>Rows of the matrix, padded to whole tiles.</summary>
    public int Rows { get; }

    /// <summary>Panels, each of which is to be solved in every step.</summary>
    public int Panels { get; }

    /// <summary>Steps of the sweep.</summary>
    public int Steps => (Rows + Depth - 1) / Depth;

    /// <summary>Panels of a step's block, but for the last.</summary>
    public int BlockPanels => Depth / TTile.Columns;

    /// <summary>Elements of a solved panel.</summary>
    public int PanelLength => Depth * TTile.Columns;

    /// <summary>Parts of the triangle, each of which is to be updated in every step: a panel's squares within a chunk of panels.</summary>
    public int Parts
    {
        get
        {
            int parts = 0;
            for (int start = 0; start < Panels; start += ChunkPanels)
            {
                parts += Math.Min(Panels, start + ChunkPanels);
            }

            return parts;
        }
    }

    /// <summary>A part's panel, and its panels of rows, <c>[First, End)</c>.</summary>
    public (int Column, int First, int End) Part(int part)
    {
        int start = 0;
        while (part >= Math.Min(Panels, start + ChunkPanels))
        {
            start += ChunkPanels;
            part -= Math.Min(Panels, start);
        }

        return (part, Math.Max(start, part), Math.Min(Panels, start + ChunkPanels));
    }

    /// <summary>Rows of a step's diagonal block.</summary>
    public int SizeOf(int step) => Math.Min(Depth, Rows - (step * Depth));

    /// <summary>Rows of a panel of rows.</summary>
    public int RowsOf(int panel) => Math.Min(TTile.Columns, Rows - (panel * TTile.Columns));
}
