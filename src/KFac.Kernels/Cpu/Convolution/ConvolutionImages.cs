namespace KFac.Kernels.Cpu;

/// <summary>Images with their channels last, <c>pixels[((n·H + y)·W + x)·pitch + c]</c>, as correlations between pixels read them.</summary>
/// <param name="pixels">At a 64-byte boundary.</param>
/// <param name="pitch">Elements from a pixel to the next.</param>
/// <param name="imagePitch">Elements from an image to the next.</param>
internal readonly unsafe struct ConvolutionImages(
    float* pixels, long pitch, long imagePitch, int count, int channels, ConvolutionAxis rows, ConvolutionAxis columns)
{
    /// <summary>Elements of a cache line.</summary>
    private const int Line = 16;

    /// <summary>Cache lines of a pixel from which on an even number would let pixels meet in few sets of the cache.</summary>
    private const int ManyLines = 8;

    /// <summary>Elements between images: an odd number of cache lines, as many as a tile is wide.</summary>
    private const int ImageGap = 3 * Line;

    /// <summary>Elements behind the last pixel that tiles read and make nothing of.</summary>
    private const int Slack = 3 * Line;

    public float* Pixels => pixels;

    public int Count => count;

    public int Channels => channels;

    public ConvolutionAxis Rows => rows;

    public ConvolutionAxis Columns => columns;

    /// <summary>Elements from a pixel to the next.</summary>
    public long Pitch => pitch;

    /// <summary>Elements from an image to the next.</summary>
    public long ImagePitch => imagePitch;

    /// <summary>Memory that copied images need.</summary>
    public static long Bytes(int count, int channels, ConvolutionAxis rows, ConvolutionAxis columns) =>
        ((count * ImagePitchOf(channels, rows, columns)) + Slack) * sizeof(float);

    /// <summary>Images as copies are laid out, not copied yet.</summary>
    /// <param name="memory"><see cref="Bytes"/> bytes at a 64-byte boundary.</param>
    public static ConvolutionImages Copies(float* memory, int count, int channels, ConvolutionAxis rows, ConvolutionAxis columns) =>
        new(memory, PitchOf(channels), ImagePitchOf(channels, rows, columns), count, channels, rows, columns);

    /// <summary>Whether a group's images can be read where they are: channels last, in whole cache lines, so that no tile reads
    /// beyond a pixel, and not a distance apart that wastes the cache.</summary>
    public static bool LieReady(ConvolutionGroup group)
    {
        long lines = group.PixelStride / Line;
        return group.ChannelsLast
            && group.Channels % Line == 0
            && group.PixelStride % Line == 0
            && (nuint)group.X % (Line * sizeof(float)) == 0
            && (lines < ManyLines || lines % 2 == 1);
    }

    /// <summary>Copies image <paramref name="image"/> of those from <paramref name="first"/> on of a group.</summary>
    public void Copy<TSimd, TVector>(int image, ConvolutionGroup group, int first)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        float* source = group.X + ((first + image) * group.ImageStride);
        float* target = pixels + (image * ImagePitch);
        if (!group.ChannelsLast)
        {
            PanelTranspose<TSimd, TVector>.Run(target, pitch, group.Pixels, channels, new StridedMatrix(source, 1, group.ChannelStride));
            return;
        }

        for (int pixel = 0; pixel < group.Pixels; pixel++)
        {
            new ReadOnlySpan<float>(source, channels).CopyTo(new Span<float>(target, channels));
            source += group.PixelStride;
            target += pitch;
        }
    }

    /// <summary>The pixels of a region of every image as lines along its longest side, images counting as a third side.</summary>
    /// <param name="offsets">Receives the lines' offsets; two for each of <see cref="MostLines"/>.</param>
    public TileLines Lines(in PixelRegion region, long* offsets)
    {
        var across = new Side(region.Columns.Count, columns.Stride * pitch);
        var down = new Side(region.Rows.Count, (long)rows.Stride * columns.Size * pitch);
        var images = new Side(count, ImagePitch);
        Side run = across.Count >= down.Count ? across : down;
        run = run.Count >= images.Count ? run : images;
        (Side outer, Side inner) = run == across ? (images, down) : run == down ? (images, across) : (down, across);
        long y = (region.Rows.Start * rows.Stride) + region.RowPhase;
        long x = (region.Columns.Start * columns.Stride) + region.ColumnPhase;
        long start = ((y * columns.Size) + x) * pitch;
        for (int i = 0; i < outer.Count; i++)
        {
            for (int j = 0; j < inner.Count; j++)
            {
                long* pair = offsets + (2 * ((i * inner.Count) + j));
                pair[0] = pair[1] = start + (i * outer.Step) + (j * inner.Step);
            }
        }

        return new TileLines((nint)offsets, outer.Count * inner.Count, run.Count, run.Step, run.Step);
    }

    /// <summary>Lines of a region at the most.</summary>
    public long MostLines => (long)Math.Max(count, rows.Size) * Math.Max(Math.Min(count, rows.Size), columns.Size);

    /// <summary>Whole cache lines, and of many an odd number so that the same channels of successive pixels fall into all sets of
    /// the cache; for few channels, where that would be much more memory, just the channels.</summary>
    private static int PitchOf(int channels)
    {
        int lines = (channels + Line - 1) / Line;
        int pitch = (lines >= ManyLines ? lines | 1 : lines) * Line;
        return (pitch - channels) * 7 <= channels ? pitch : channels;
    }

    /// <summary>The distance between the same pixels of successive images, which lines along images pass: where it is whole turns through the sets of the
    /// cache, a gap shifts each image by a few lines. Rows of a matrix, as a kernel of one element needs them, have no gaps.</summary>
    private static long ImagePitchOf(int channels, ConvolutionAxis rows, ConvolutionAxis columns)
    {
        long elements = (long)rows.Size * columns.Size * PitchOf(channels);
        bool isTurn = elements % (ManyLines * Line) == 0 && rows.Kernel * columns.Kernel > 1;
        return elements + (isTurn ? ImageGap : 0);
    }

    private readonly record struct Side(int Count, long Step);
}

/// <summary>A rectangle of every image's pixels that have the same phase.</summary>
internal readonly record struct PixelRegion(StepRange Rows, StepRange Columns, int RowPhase, int ColumnPhase);
