using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Random changes that leave an image's class alone: a mirror image half of the time, and a shift by a few pixels.</summary>
/// <remarks>Pixels that a shift brings in from outside are zero.</remarks>
public sealed record ImageAugmentation
{
    /// <summary>Mirrors left and right with probability one half.</summary>
    public bool Flip { get; init; } = true;

    /// <summary>Shifts by up to so many pixels up, down, left and right; the usual random crop after zero padding.</summary>
    public int Padding { get; init; } = 4;

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        if (Padding is < 0 or > 1024)
        {
            throw new ArgumentException($"The augmentation's padding is {Padding}; wanted 0 to 1024.");
        }
    }

    /// <summary>Writes the changed image as numbers from 0 to 1.</summary>
    /// <param name="images">Where it comes from.</param>
    /// <param name="index">Which image.</param>
    /// <param name="random">Decides; its position afterwards is state that a checkpoint keeps.</param>
    /// <param name="destination"><see cref="ImageSet.PixelCount"/> values.</param>
    public void Apply(ImageSet images, int index, PhiloxGenerator random, Span<float> destination)
    {
        ArgumentNullException.ThrowIfNull(images);
        ArgumentNullException.ThrowIfNull(random);
        int range = (2 * Padding) + 1;
        int down = random.NextBelow(range) - Padding;
        int right = random.NextBelow(range) - Padding;
        bool mirrored = Flip && random.NextBelow(2) == 1;
        ReadOnlySpan<byte> source = images.Image(index);
        for (int row = 0; row < images.Channels * images.Height; row++)
        {
            int plane = row / images.Height * images.Height;
            int from = row - plane - down;
            Span<float> output = destination.Slice(row * images.Width, images.Width);
            if (from < 0 || from >= images.Height)
            {
                output.Clear();
                continue;
            }

            CopyRow(source.Slice((plane + from) * images.Width, images.Width), right, mirrored, output);
        }
    }

    private static void CopyRow(ReadOnlySpan<byte> source, int right, bool mirrored, Span<float> output)
    {
        for (int column = 0; column < output.Length; column++)
        {
            int from = column - right;
            bool inside = from >= 0 && from < source.Length;
            output[column] = inside ? source[mirrored ? source.Length - 1 - from : from] / 255f : 0f;
        }
    }
}
