using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Made images of curves, in the manner of Hinton and Salakhutdinov (2006): each shows one smooth curve through
/// three random points, so six numbers explain all its pixels.</summary>
/// <remarks>The curve is the parabola that passes its points at t = 0, ½ and 1. Every label is 0. The same seed gives the
/// same bytes on every machine.</remarks>
public static class CurveImages
{
    /// <summary>Height and width.</summary>
    public const int Size = 28;

    private const int Segments = 24;
    private const double Margin = 4;
    private const double Radius = 0.7;
    private const ulong Sequence = 0x4355_5256;

    /// <summary>Makes <paramref name="count"/> images.</summary>
    public static ImageSet Make(int count, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var pixels = new byte[count * Size * Size];
        var random = new PhiloxGenerator(new PhiloxKey(seed, Sequence));
        for (int image = 0; image < count; image++)
        {
            Draw(pixels.AsSpan(image * Size * Size, Size * Size), Point(random), Point(random), Point(random));
        }

        return new ImageSet(Size, Size, pixels, new byte[count]);
    }

    private static (double X, double Y) Point(PhiloxGenerator random)
    {
        double x = random.NextUniform();
        double y = random.NextUniform();
        return (Margin + (x * (Size - (2 * Margin))), Margin + (y * (Size - (2 * Margin))));
    }

    private static void Draw(Span<byte> image, (double X, double Y) a, (double X, double Y) b, (double X, double Y) c)
    {
        var raster = new StrokeRaster(image, Size);
        (double X, double Y) from = a;
        for (int i = 1; i <= Segments; i++)
        {
            double t = (double)i / Segments;
            double atA = 2 * (t - 0.5) * (t - 1);
            double atB = -4 * t * (t - 1);
            double atC = 2 * t * (t - 0.5);
            (double X, double Y) to = ((atA * a.X) + (atB * b.X) + (atC * c.X), (atA * a.Y) + (atB * b.Y) + (atC * c.Y));
            raster.Segment(from, to, Radius);
            from = to;
        }
    }
}
