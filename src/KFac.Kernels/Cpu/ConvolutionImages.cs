namespace KFac.Kernels.Cpu;

/// <summary>Images with their channels last, <c>pixels[((n·H + y)·W + x)·C + c]</c>, as correlations between pixels read them.</summary>
internal readonly unsafe struct ConvolutionImages(float* pixels, int count, int channels, ConvolutionAxis rows, ConvolutionAxis columns)
{
    public float* Pixels => pixels;

    public int Count => count;

    public int Channels => channels;

    public ConvolutionAxis Rows => rows;

    public ConvolutionAxis Columns => columns;

    /// <summary>Copies image <paramref name="image"/> from its channels, which follow each other in memory.</summary>
    public void Copy<TSimd, TVector>(int image, float* source)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int size = rows.Size * columns.Size;
        PanelTranspose<TSimd, TVector>.Run(pixels + ((long)image * size * channels), channels, size, channels, new StridedMatrix(source, 1, size));
    }

    /// <summary>Packs pixels of a region, <paramref name="steps"/> of them from the <paramref name="first"/> on, for a register tile.</summary>
    /// <param name="rowShift">Pixels by which the rows of the region are moved.</param>
    /// <param name="columnShift">Pixels by which the columns of the region are moved.</param>
    public void Pack<TTile>(
        float* panel, in PixelRegion region, long first, int steps, int rowShift, int columnShift, int channel, int panelChannels)
        where TTile : struct, IGemmTile
    {
        long line = first / region.Columns.Count;
        int column = (int)(first % region.Columns.Count);
        while (steps > 0)
        {
            int run = Math.Min(steps, region.Columns.Count - column);
            int image = (int)(line / region.Rows.Count);
            int y = ((region.Rows.Start + (int)(line % region.Rows.Count)) * rows.Stride) + region.RowPhase + rowShift;
            int x = ((region.Columns.Start + column) * columns.Stride) + region.ColumnPhase + columnShift;
            float* source = pixels + ((((((long)image * rows.Size) + y) * columns.Size) + x) * channels) + channel;
            TTile.Pack(panel, run, panelChannels, new StridedMatrix(source, (long)columns.Stride * channels, 1));
            panel += run * TTile.Columns;
            steps -= run;
            line++;
            column = 0;
        }
    }
}

/// <summary>A rectangle of every image's pixels that have the same phase.</summary>
internal readonly record struct PixelRegion(StepRange Rows, StepRange Columns, int RowPhase, int ColumnPhase)
{
    /// <summary>Pixels of an image.</summary>
    public long Count => (long)Rows.Count * Columns.Count;
}
