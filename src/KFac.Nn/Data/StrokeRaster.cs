namespace KFac.Nn;

/// <summary>Draws anti-aliased strokes into a grey-scale image of bytes.</summary>
/// <remarks>
/// A pixel's ink is <c>clamp(radius + ½ − d, 0, 1)</c>, d the distance of its centre to the nearest drawn segment, in
/// pixels. Only additions, multiplications, divisions and square roots in float64 are used, so every machine draws the
/// same bytes.
/// </remarks>
internal readonly ref struct StrokeRaster(Span<byte> pixels, int size)
{
    private readonly Span<byte> _pixels = pixels;

    /// <summary>Draws the segment from one point to another; coordinates are in pixels, pixel (0, 0) has its centre at (½, ½).</summary>
    public void Segment((double X, double Y) from, (double X, double Y) to, double radius)
    {
        double reach = radius + 0.5;
        (int left, int right) = Range(from.X, to.X, reach);
        (int top, int bottom) = Range(from.Y, to.Y, reach);
        double dx = to.X - from.X;
        double dy = to.Y - from.Y;
        double squaredLength = (dx * dx) + (dy * dy);
        for (int y = top; y <= bottom; y++)
        {
            for (int x = left; x <= right; x++)
            {
                double px = x + 0.5 - from.X;
                double py = y + 0.5 - from.Y;
                double t = squaredLength == 0 ? 0 : Math.Clamp(((px * dx) + (py * dy)) / squaredLength, 0, 1);
                double ex = px - (t * dx);
                double ey = py - (t * dy);
                double ink = Math.Clamp(reach - Math.Sqrt((ex * ex) + (ey * ey)), 0, 1);
                ref byte pixel = ref _pixels[(y * size) + x];
                pixel = Math.Max(pixel, (byte)((ink * 255) + 0.5));
            }
        }
    }

    private (int First, int Last) Range(double a, double b, double reach) => (
        (int)Math.Clamp(Math.Floor(Math.Min(a, b) - reach), 0, size - 1),
        (int)Math.Clamp(Math.Ceiling(Math.Max(a, b) + reach), 0, size - 1));
}
