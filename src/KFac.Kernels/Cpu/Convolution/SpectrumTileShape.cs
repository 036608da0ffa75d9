namespace KFac.Kernels.Cpu;

/// <summary>The elements of a pair of blocks of channels that are computed: all, or those of a symmetric block left of its diagonal
/// in whole vectors, row after row without gaps.</summary>
internal readonly struct SpectrumTileShape
{
    private const int Lanes = ImageSpectrum.Lanes;

    public SpectrumTileShape(in SpectralPlan plan, int tile)
    {
        while ((RowBlock + 1) * (RowBlock + 2) / 2 <= tile)
        {
            RowBlock++;
        }

        ColumnBlock = tile - (RowBlock * (RowBlock + 1) / 2);
        Rows = plan.ChannelsOf(RowBlock);
        Columns = plan.ChannelsOf(ColumnBlock);
    }

    public int RowBlock { get; }

    public int ColumnBlock { get; }

    public int Rows { get; }

    public int Columns { get; }

    /// <summary>Elements in all.</summary>
    public int Elements => Offset(Rows);

    private bool IsSymmetric => RowBlock == ColumnBlock;

    /// <summary>Elements of a row.</summary>
    public int Width(int row) => IsSymmetric ? ((row / Lanes) + 1) * Lanes : Columns;

    /// <summary>Elements before a row.</summary>
    public int Offset(int row)
    {
        int band = row / Lanes;
        return IsSymmetric ? (Lanes * Lanes * band * (band + 1) / 2) + ((row % Lanes) * (band + 1) * Lanes) : row * Columns;
    }
}
