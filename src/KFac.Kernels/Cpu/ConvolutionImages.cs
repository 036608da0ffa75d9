namespace KFac.Kernels.Cpu;

/// <summary>Images with their channels last, <c>pixels[((n·H + y)·W + x)·pitch + c]</c>, as correlations between pixels read them.</summary>
/// <param name="pixels"><see cref="Bytes"/> bytes at a 64-byte boundary.</param>
internal readonly unsafe struct ConvolutionImages(float* pixels, int count, int channels, ConvolutionAxis rows, ConvolutionAxis columns)
{
    /// <summary>Elements of a cache line.</summary>
    private const int Line = 16;

    /// <summary>Elements behind the last pixel that tiles read and make nothing of.</summary>
    private const int Slack = 3 * Line;

    public float* Pixels => pixels;

    public int Count => count;

    public int Channels => channels;

    public ConvolutionAxis Rows => rows;

    public ConvolutionAxis Columns => columns;

    /// <summary>Elements from a pixel to the next.</summary>
    public int Pitch => PitchOf(channels);

    /// <summary>Elements from an image to the next.</summary>
    public long ImagePitch => (long)rows.Size * columns.Size * Pitch;

    /// <summary>Memory that images need.</summary>
    public static long Bytes(int count, int channels, ConvolutionAxis rows, ConvolutionAxis columns) =>
        (((long)count * rows.Size * columns.Size * PitchOf(channels)) + Slack) * sizeof(float);

    /// <summary>Copies image <paramref name="image"/> from its channels, which follow each other in memory.</summary>
    public void Copy<TSimd, TVector>(int image, float* source)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int size = rows.Size * columns.Size;
        PanelTranspose<TSimd, TVector>.Run(pixels + (image * ImagePitch), Pitch, size, channels, new StridedMatrix(source, 1, size));
    }

    /// <summary>The pixels of a region of every image as lines along its longest side, images counting as a third side.</summary>
    /// <param name="offsets">Receives the lines' offsets; <see cref="MostLines"/> elements.</param>
    public PixelLines Lines(in PixelRegion region, long* offsets)
    {
        var across = new Side(region.Columns.Count, (long)columns.Stride * Pitch);
        var down = new Side(region.Rows.Count, (long)rows.Stride * columns.Size * Pitch);
        var images = new Side(count, ImagePitch);
        Side run = across.Count >= down.Count ? across : down;
        run = run.Count >= images.Count ? run : images;
        (Side outer, Side inner) = run == across ? (images, down) : run == down ? (images, across) : (down, across);
        long y = (region.Rows.Start * rows.Stride) + region.RowPhase;
        long x = (region.Columns.Start * columns.Stride) + region.ColumnPhase;
        long start = ((y * columns.Size) + x) * Pitch;
        for (int i = 0; i < outer.Count; i++)
        {
            for (int j = 0; j < inner.Count; j++)
            {
                offsets[(i * inner.Count) + j] = start + (i * outer.Step) + (j * inner.Step);
            }
        }

        return new PixelLines((nint)offsets, outer.Count * inner.Count, run.Count, run.Step);
    }

    /// <summary>Lines of a region at the most.</summary>
    public long MostLines => (long)Math.Max(count, rows.Size) * Math.Max(Math.Min(count, rows.Size), columns.Size);

    /// <summary>Whole cache lines, and of many an odd number so that the same channels of successive pixels fall into all sets of
    /// the cache; for few channels, where that would be much more memory, just the channels.</summary>
    private static int PitchOf(int channels)
    {
        int lines = (channels + Line - 1) / Line;
        int pitch = (lines >= 8 ? lines | 1 : lines) * Line;
        return (pitch - channels) * 7 <= channels ? pitch : channels;
    }

    private readonly record struct Side(int Count, long Step);
}

/// <summary>A rectangle of every image's pixels that have the same phase.</summary>
internal readonly record struct PixelRegion(StepRange Rows, StepRange Columns, int RowPhase, int ColumnPhase);
