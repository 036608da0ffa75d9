using KFac.Kernels;
using Xunit;

namespace KFac.Nn.Tests;

public sealed class ImageAugmentationTests
{
    private const int Channels = 2;
    private const int Height = 3;
    private const int Width = 4;
    private static readonly PhiloxKey Key = new(11, 12);

    [Fact]
    public void Every_result_is_a_shift_of_the_image_or_of_its_mirror_image_and_all_of_them_occur()
    {
        const int Padding = 1;
        var augmentation = new ImageAugmentation { Padding = Padding };
        ImageSet images = CountingImage();
        var random = new PhiloxGenerator(Key);
        var seen = new HashSet<(int Down, int Right, bool Mirrored)>();
        var result = new float[images.PixelCount];
        for (int i = 0; i < 500; i++)
        {
            augmentation.Apply(images, 0, random, result);
            seen.Add(Assert.Single(Explanations(images, result, Padding)));
        }

        Assert.Equal(3 * 3 * 2, seen.Count);
    }

    [Fact]
    public void Does_nothing_where_nothing_is_asked_for()
    {
        ImageSet images = CountingImage();
        var result = new float[images.PixelCount];
        new ImageAugmentation { Flip = false, Padding = 0 }.Apply(images, 0, new PhiloxGenerator(Key), result);
        Assert.Equal([.. images.Image(0).ToArray().Select(static pixel => pixel / 255f)], result);
    }

    [Fact]
    public void Goes_on_where_a_stored_position_left_off()
    {
        var augmentation = new ImageAugmentation();
        ImageSet images = CountingImage();
        var random = new PhiloxGenerator(Key);
        float[] first = new float[images.PixelCount], second = new float[images.PixelCount];
        augmentation.Apply(images, 0, random, first);
        ulong position = random.Position;
        augmentation.Apply(images, 0, random, first);
        augmentation.Apply(images, 0, new PhiloxGenerator(Key, position), second);
        Assert.Equal(first, second);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(1025)]
    public void Refuses_a_padding_out_of_range(int padding) =>
        Assert.Contains($"padding is {padding}", Assert.Throws<ArgumentException>(() => new ImageAugmentation { Padding = padding }.Validate()).Message, StringComparison.Ordinal);

    private static ImageSet CountingImage() => new(
        Channels, Height, Width, Enumerable.Range(1, Channels * Height * Width).Select(static i => (byte)(5 * i)).ToArray(), new byte[1]);

    private static IEnumerable<(int Down, int Right, bool Mirrored)> Explanations(ImageSet images, float[] result, int padding)
    {
        for (int down = -padding; down <= padding; down++)
        {
            for (int right = -padding; right <= padding; right++)
            {
                foreach (bool mirrored in (bool[])[false, true])
                {
                    if (Expected(images, down, right, mirrored).AsSpan().SequenceEqual(result))
                    {
                        yield return (down, right, mirrored);
                    }
                }
            }
        }
    }

    /// <summary>Mirrors, then shifts, pixel by pixel.</summary>
    private static float[] Expected(ImageSet images, int down, int right, bool mirrored)
    {
        var expected = new float[images.PixelCount];
        for (int channel = 0; channel < Channels; channel++)
        {
            for (int row = 0; row < Height; row++)
            {
                for (int column = 0; column < Width; column++)
                {
                    int toRow = row + down;
                    int toColumn = (mirrored ? Width - 1 - column : column) + right;
                    if (toRow is >= 0 and < Height && toColumn is >= 0 and < Width)
                    {
                        expected[(((channel * Height) + toRow) * Width) + toColumn] =
                            images.Image(0)[(((channel * Height) + row) * Width) + column] / 255f;
                    }
                }
            }
        }

        return expected;
    }
}
