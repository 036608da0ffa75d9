using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Made colour images of digits: those of <see cref="GlyphImages"/> at a random place, in one random colour on another.</summary>
/// <remarks>Stands in for small photographs where no data is at hand: colour says nothing about the class. The same seed gives the
/// same bytes on every machine.</remarks>
public static class ColourGlyphImages
{
    /// <summary>Height and width.</summary>
    public const int Size = 32;

    /// <summary>Red, green and blue.</summary>
    public const int Channels = 3;

    private const ulong Sequence = 0x434F_4C52;

    /// <summary>Makes <paramref name="count"/> images.</summary>
    public static ImageSet Make(int count, ulong seed)
    {
        ImageSet glyphs = GlyphImages.Make(count, seed);
        var random = new PhiloxGenerator(new PhiloxKey(seed, Sequence));
        var pixels = new byte[count * Channels * Size * Size];
        for (int image = 0; image < count; image++)
        {
            int room = Size - GlyphImages.Size + 1;
            (int down, int right) = (random.NextBelow(room), random.NextBelow(room));
            for (int channel = 0; channel < Channels; channel++)
            {
                Span<byte> plane = pixels.AsSpan(((image * Channels) + channel) * Size * Size, Size * Size);
                Paint(glyphs.Image(image), down, right, (byte)random.NextBelow(256), (byte)random.NextBelow(256), plane);
            }
        }

        return new ImageSet(Channels, Size, Size, pixels, glyphs.Labels.ToArray());
    }

    /// <summary>Blends from the background to the ink's colour as much as there is ink.</summary>
    private static void Paint(ReadOnlySpan<byte> glyph, int down, int right, byte ink, byte background, Span<byte> plane)
    {
        plane.Fill(background);
        for (int i = 0; i < glyph.Length; i++)
        {
            int place = ((down + (i / GlyphImages.Size)) * Size) + right + (i % GlyphImages.Size);
            plane[place] = (byte)(background + ((ink - background) * glyph[i] / 255));
        }
    }
}
