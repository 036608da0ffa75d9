using Xunit;

namespace KFac.Nn.Tests;

public sealed class MadeImagesTests
{
    [Fact]
    public void Glyphs_are_the_same_bytes_on_every_machine()
    {
        Assert.Equal(1430685018u, GlyphImages.Make(64, 7).Fingerprint());
        Assert.NotEqual(GlyphImages.Make(64, 8).Fingerprint(), GlyphImages.Make(64, 7).Fingerprint());
    }

    [Fact]
    public void Curves_are_the_same_bytes_on_every_machine()
    {
        Assert.Equal(3581903723u, CurveImages.Make(64, 7).Fingerprint());
        Assert.NotEqual(CurveImages.Make(64, 8).Fingerprint(), CurveImages.Make(64, 7).Fingerprint());
    }

    [Fact]
    public void More_images_begin_with_the_same_images()
    {
        Assert.Equal(GlyphImages.Make(20, 3).Pixels.ToArray(), GlyphImages.Make(50, 3).Slice(0, 20).Pixels.ToArray());
        Assert.Equal(CurveImages.Make(20, 3).Pixels.ToArray(), CurveImages.Make(50, 3).Slice(0, 20).Pixels.ToArray());
    }

    [Fact]
    public void Every_digit_comes_up_about_as_often()
    {
        var counts = new int[GlyphImages.Classes];
        foreach (byte label in GlyphImages.Make(2_000, 1).Labels)
        {
            counts[label]++;
        }

        Assert.All(counts, static count => Assert.InRange(count, 140, 260));
    }

    [Fact]
    public void Images_hold_some_ink_and_mostly_paper_with_soft_edges()
    {
        AssertInk(GlyphImages.Make(300, 5));
        AssertInk(CurveImages.Make(300, 5));
    }

    [Fact]
    public void A_glyph_is_nearer_to_its_own_kind_than_to_the_others()
    {
        ImageSet train = GlyphImages.Make(2_000, 1);
        ImageSet test = GlyphImages.Make(200, 2);
        int right = 0;
        for (int i = 0; i < test.Count; i++)
        {
            right += train.Labels[Nearest(train, test.Image(i))] == test.Labels[i] ? 1 : 0;
        }

        Assert.InRange(right, 150, 199);
    }

    [Fact]
    public void Makes_no_images_when_asked_for_none() => Assert.Equal(0, CurveImages.Make(0, 1).Count);

    private static void AssertInk(ImageSet images)
    {
        int grey = 0;
        for (int i = 0; i < images.Count; i++)
        {
            int inked = images.Image(i).Length - images.Image(i).Count((byte)0);
            Assert.InRange(inked, 8, 500);
            grey += inked - images.Image(i).Count((byte)255);
        }

        Assert.InRange(grey / images.Count, 10, 300);
    }

    private static int Nearest(ImageSet images, ReadOnlySpan<byte> image)
    {
        int best = 0;
        long smallest = long.MaxValue;
        for (int i = 0; i < images.Count; i++)
        {
            ReadOnlySpan<byte> candidate = images.Image(i);
            long distance = 0;
            for (int p = 0; p < image.Length; p++)
            {
                int difference = image[p] - candidate[p];
                distance += difference * difference;
            }

            (best, smallest) = distance < smallest ? (i, distance) : (best, smallest);
        }

        return best;
    }
}
