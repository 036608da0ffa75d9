namespace KFac.Kernels.Cpu;

/// <summary>Patches of channels-last images, as the rows of a matrix that is never stored: a few rows and columns are written at a time.</summary>
/// <remarks>Row r is the patch at position r of the grids of all images; its columns are ordered [row of the patch, column of the
/// patch, channel], so that pixels beside each other are one stretch of memory, and a last column of ones follows where wanted.</remarks>
internal readonly unsafe struct PatchGrid
{
    private readonly float* _source;
    private readonly long _stride;

    public PatchGrid(MatrixView<float> source, int sourceHeight, int sourceWidth)
    {
        _source = source.Pointer;
        _stride = source.RowStride;
        Channels = source.Columns;
        (SourceHeight, SourceWidth) = (sourceHeight, sourceWidth);
    }

    public int Channels { get; }

    public int SourceHeight { get; }

    public int SourceWidth { get; }

    /// <summary>Positions down an image.</summary>
    public int Height { get; init; }

    /// <summary>Positions across an image.</summary>
    public int Width { get; init; }

    /// <summary>Pixels from a position to the next.</summary>
    public int Step { get; init; }

    public PatchAxis Down { get; init; }

    public PatchAxis Across { get; init; }

    public bool HasOnes { get; init; }

    /// <summary>Columns without the ones.</summary>
    public int Pixels => Down.Count * Across.Count * Channels;

    public int Columns => Pixels + (HasOnes ? 1 : 0);

    /// <summary>Elements from a pixel to the next.</summary>
    public long Stride => _stride;

    /// <summary>Whether a row of a patch is one stretch of memory.</summary>
    public bool TapsAreAdjacent => Across.Spacing == 1 && _stride == Channels;

    public float* Pixel(int image, int y, int x) => _source + (((((long)image * SourceHeight) + y) * SourceWidth) + x) * _stride;

    /// <summary>Finds the lines of positions, of those of all images, at which a line of the kernel meets pixels.</summary>
    /// <param name="positionStride">Elements from a position to the next in a matrix that has a row for each.</param>
    /// <param name="pixelSlot">0 or 1: which element of a pair of offsets is that of the pixels.</param>
    /// <param name="offsets">Receives two elements for each line: where its pixels begin, counted from the first pixel of the images, and where its positions do.</param>
    /// <returns>How many there are.</returns>
    public int MeetingLines(int line, int lines, int down, long positionStride, int pixelSlot, long* offsets)
    {
        int count = 0;
        for (int i = line; i < line + lines; i++)
        {
            int image = i / Height;
            int pixel = ((i - (image * Height)) * Step) + Down.Offset + (down * Down.Spacing);
            if ((uint)pixel < (uint)SourceHeight)
            {
                offsets[(2 * count) + pixelSlot] = (((long)image * SourceHeight) + pixel) * SourceWidth * _stride;
                offsets[(2 * count) + 1 - pixelSlot] = (long)i * Width * positionStride;
                count++;
            }
        }

        return count;
    }

    /// <summary>Writes rows from <paramref name="row"/> on and columns from <paramref name="column"/> on.</summary>
    /// <param name="patches">[rows, columns], rows <paramref name="stride"/> apart.</param>
    public void Write<TSimd, TVector>(int row, int rows, int column, int columns, float* patches, long stride)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int pixels = Math.Min(columns, Pixels - column);
        int x = row % Width;
        int y = row / Width % Height;
        long image = row / Width / Height;
        for (int i = 0; i < rows; i++)
        {
            float* source = _source + (image * SourceHeight * SourceWidth * _stride);
            WriteRow<TSimd, TVector>(source, y * Step, x * Step, column, pixels, patches);
            if (pixels < columns)
            {
                patches[pixels] = 1;
            }

            patches += stride;
            if (++x == Width)
            {
                x = 0;
                if (++y == Height)
                {
                    y = 0;
                    image++;
                }
            }
        }
    }

    private void WriteRow<TSimd, TVector>(float* image, int y, int x, int column, int columns, float* patch)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int across = Across.Count * Channels;
        (int first, int end) = Across.Inside(x, SourceWidth);
        for (int line = column / across; columns > 0; line++)
        {
            int start = column - (line * across);
            int count = Math.Min(across - start, columns);
            int pixel = y + Down.Offset + (line * Down.Spacing);
            if ((uint)pixel < (uint)SourceHeight)
            {
                float* source = image + ((((long)pixel * SourceWidth) + x + Across.Offset) * _stride);
                WriteLine<TSimd, TVector>(source, first, end, start, count, patch);
            }
            else
            {
                SimdCopy<TSimd, TVector>.Clear(patch, count);
            }

            patch += count;
            column += count;
            columns -= count;
        }
    }

    /// <summary>Elements <paramref name="start"/> to <paramref name="start"/> + <paramref name="count"/> of a row of a patch.</summary>
    /// <param name="line">The pixel of the row's first element, inside the image or not.</param>
    private void WriteLine<TSimd, TVector>(float* line, int first, int end, int start, int count, float* patch)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int firstElement = Math.Clamp((first * Channels) - start, 0, count);
        int endElement = Math.Clamp((end * Channels) - start, firstElement, count);
        SimdCopy<TSimd, TVector>.Clear(patch, firstElement);
        if (TapsAreAdjacent)
        {
            SimdCopy<TSimd, TVector>.Copy(line + start + firstElement, patch + firstElement, endElement - firstElement);
        }
        else
        {
            WritePixels<TSimd, TVector>(line, start + firstElement, start + endElement, patch + firstElement);
        }

        SimdCopy<TSimd, TVector>.Clear(patch + endElement, count - endElement);
    }

    private void WritePixels<TSimd, TVector>(float* line, int element, int end, float* patch)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        while (element < end)
        {
            int pixel = element / Channels;
            int channel = element - (pixel * Channels);
            int count = Math.Min(Channels - channel, end - element);
            SimdCopy<TSimd, TVector>.Copy(line + ((long)pixel * Across.Spacing * _stride) + channel, patch, count);
            patch += count;
            element += count;
        }
    }
}
