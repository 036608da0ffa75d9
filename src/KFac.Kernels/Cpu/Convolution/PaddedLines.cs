namespace KFac.Kernels.Cpu;

/// <summary>A few lines of an image at a time, copied with the zeros around them, so that every patch of a <see cref="PatchGrid"/> is whole.</summary>
/// <remarks>For images of few channels: a copy in the first-level cache costs an instruction for each of a pixel's taps, and
/// spares all edges.</remarks>
internal readonly struct PaddedLines
{
    /// <summary>Positions of a chunk, about: their pixels and output gradients stay in the second-level cache, pixels in the first.</summary>
    private const int ChunkPositions = 512;

    private readonly PatchGrid _grid;

    /// <param name="positions">Positions of a line that may be read in full, the grid's width at least.</param>
    public PaddedLines(in PatchGrid grid, int positions)
    {
        _grid = grid;
        int most = Math.Clamp(ChunkPositions / Math.Max(1, grid.Width), 1, Math.Max(1, grid.Height));
        LinesPerChunk = GemmCore.EvenPart(grid.Height, most, 1);
        ChunksPerImage = LinesPerChunk == 0 ? 0 : (grid.Height + LinesPerChunk - 1) / LinesPerChunk;
        int pixels = ((positions - 1) * grid.Step) + ((grid.Across.Count - 1) * grid.Across.Spacing) + 1;
        Pitch = ((long)Math.Max(1, pixels) * grid.Channels + 15) / 16 * 16;
    }

    /// <summary>Whether patches are whole stretches of the copy.</summary>
    public static bool Suits(in PatchGrid grid) => grid.Across.Spacing == 1 && grid.Channels < Simd512.Count;

    /// <summary>Lines of positions in a chunk, at most.</summary>
    public int LinesPerChunk { get; }

    public int ChunksPerImage { get; }

    /// <summary>Elements from a line of the copy to the next.</summary>
    public long Pitch { get; }

    /// <summary>Elements of the copy from a line of positions to the next.</summary>
    public long PositionLine => Pitch * _grid.Step;

    /// <summary>Elements of the copy from a position to the next.</summary>
    public long PositionStep => (long)_grid.Step * _grid.Channels;

    /// <summary>Elements of the copy from a line of a patch to the next.</summary>
    public long KernelLine => Pitch * _grid.Down.Spacing;

    /// <summary>Bytes of a copy.</summary>
    public long Bytes => Lines(LinesPerChunk) * Pitch * sizeof(float);

    /// <summary>Copies what the patches of a chunk's positions meet.</summary>
    /// <returns>The image, the chunk's first line of positions in it, and how many.</returns>
    public unsafe (int Image, int Line, int Count) Copy<TSimd, TVector>(int chunk, float* copy)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int image = chunk / ChunksPerImage;
        int line = chunk % ChunksPerImage * LinesPerChunk;
        int count = Math.Min(LinesPerChunk, _grid.Height - line);
        int lines = Lines(count);
        for (int i = 0; i < lines; i++)
        {
            CopyLine<TSimd, TVector>(image, (line * _grid.Step) + _grid.Down.Offset + i, copy + (i * Pitch));
        }

        return (image, line, count);
    }

    /// <summary>Lines that the patches of so many lines of positions meet.</summary>
    private int Lines(int positionLines) => ((positionLines - 1) * _grid.Step) + ((_grid.Down.Count - 1) * _grid.Down.Spacing) + 1;

    private unsafe void CopyLine<TSimd, TVector>(int image, int line, float* copy)
        where TSimd : struct, ISimd<TVector>
        where TVector : unmanaged
    {
        int channels = _grid.Channels;
        int pixels = (int)(Pitch / channels);
        int first = Math.Clamp(-_grid.Across.Offset, 0, pixels);
        int source = first + _grid.Across.Offset;
        int count = (uint)line < (uint)_grid.SourceHeight ? Math.Clamp(_grid.SourceWidth - source, 0, pixels - first) : 0;
        if (count == 0)
        {
            SimdCopy<TSimd, TVector>.Clear(copy, (int)Pitch);
            return;
        }

        int start = first * channels;
        SimdCopy<TSimd, TVector>.Clear(copy, start);
        float* from = _grid.Pixel(image, line, source);
        if (_grid.Stride == channels)
        {
            SimdCopy<TSimd, TVector>.Copy(from, copy + start, count * channels);
        }
        else
        {
            for (int x = 0; x < count; x++)
            {
                SimdCopy<TSimd, TVector>.Copy(from + (x * _grid.Stride), copy + start + (x * channels), channels);
            }
        }

        int end = start + (count * channels);
        SimdCopy<TSimd, TVector>.Clear(copy + end, (int)Pitch - end);
    }
}
