using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Made images of digits: pen strokes under a random affine distortion, of random thickness, anti-aliased.</summary>
/// <remarks>Stands in for handwritten digits where no data is at hand. Digits are drawn uniformly at random. The same seed
/// gives the same bytes on every machine.</remarks>
public static class GlyphImages
{
    /// <summary>Height and width.</summary>
    public const int Size = 28;

    /// <summary>Labels are 0 to 9.</summary>
    public const int Classes = 10;

    private const int SegmentsPerSpan = 6;
    private const double GlyphSize = 18;
    private const double MaxStretch = 0.25;
    private const double MaxSlant = 0.35;
    private const double MaxShift = 2.5;
    private const double MaxWobble = 0.05;
    private const double MinRadius = 0.6;
    private const double MaxRadius = 1.7;
    private const ulong Sequence = 0x474C_5950;

    /// <summary>Makes <paramref name="count"/> images.</summary>
    public static ImageSet Make(int count, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var pixels = new byte[count * Size * Size];
        var labels = new byte[count];
        var random = new PhiloxGenerator(new PhiloxKey(seed, Sequence));
        for (int image = 0; image < count; image++)
        {
            labels[image] = (byte)random.NextBelow(Classes);
            Draw(pixels.AsSpan(image * Size * Size, Size * Size), labels[image], random);
        }

        return new ImageSet(Size, Size, pixels, labels);
    }

    private static void Draw(Span<byte> image, int digit, PhiloxGenerator random)
    {
        Affine distortion = Affine.Random(random);
        double radius = MinRadius + ((MaxRadius - MinRadius) * random.NextUniform());
        var raster = new StrokeRaster(image, Size);
        foreach ((double X, double Y)[] stroke in DigitStrokes.Of(digit))
        {
            DrawStroke(raster, Wobble(stroke, random), distortion, radius);
        }
    }

    private static void DrawStroke(StrokeRaster raster, (double X, double Y)[] stroke, Affine distortion, double radius)
    {
        (double X, double Y) from = distortion.Apply(stroke[0]);
        for (int span = 0; span + 1 < stroke.Length; span++)
        {
            for (int i = 1; i <= SegmentsPerSpan; i++)
            {
                (double X, double Y) to = distortion.Apply(DigitStrokes.At(stroke, span, (double)i / SegmentsPerSpan));
                raster.Segment(from, to, radius);
                from = to;
            }
        }
    }

    /// <summary>Moves every point a little, as a hand does.</summary>
    private static (double X, double Y)[] Wobble((double X, double Y)[] stroke, PhiloxGenerator random)
    {
        var moved = new (double X, double Y)[stroke.Length];
        for (int i = 0; i < stroke.Length; i++)
        {
            double dx = Symmetric(random) * MaxWobble;
            double dy = Symmetric(random) * MaxWobble;
            moved[i] = (stroke[i].X + dx, stroke[i].Y + dy);
        }

        return moved;
    }

    /// <summary>Uniform on [−1, 1).</summary>
    private static double Symmetric(PhiloxGenerator random) => (2.0 * random.NextUniform()) - 1;

    /// <summary>From the unit square of the strokes to pixels.</summary>
    private readonly record struct Affine(double XX, double XY, double YX, double YY, double ShiftX, double ShiftY)
    {
        public static Affine Random(PhiloxGenerator random)
        {
            double stretchX = 1 + (MaxStretch * Symmetric(random));
            double stretchY = 1 + (MaxStretch * Symmetric(random));
            double slantX = MaxSlant * Symmetric(random);
            double slantY = MaxSlant * Symmetric(random);
            double shiftX = MaxShift * Symmetric(random);
            double shiftY = MaxShift * Symmetric(random);
            return new Affine(stretchX, slantX, slantY, stretchY, shiftX, shiftY);
        }

        public (double X, double Y) Apply((double X, double Y) point)
        {
            double x = GlyphSize * (point.X - 0.5);
            double y = GlyphSize * (point.Y - 0.5);
            return ((XX * x) + (XY * y) + ShiftX + (Size / 2.0), (YX * x) + (YY * y) + ShiftY + (Size / 2.0));
        }
    }
}
