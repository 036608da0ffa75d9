namespace KFac.Nn;

/// <summary>The digits 0 to 9 as pen strokes in the unit square, x to the right and y downwards.</summary>
/// <remarks>A stroke is smooth: a Catmull-Rom spline through its points. A corner is where one stroke ends and another
/// begins.</remarks>
internal static class DigitStrokes
{
    private static readonly (double X, double Y)[][][] _digits =
    [
        [[(.5, .04), (.8, .25), (.82, .72), (.5, .96), (.18, .72), (.2, .25), (.5, .04)]],
        [[(.34, .24), (.54, .05)], [(.54, .05), (.54, .96)]],
        [[(.2, .26), (.36, .06), (.66, .06), (.79, .28), (.6, .57), (.2, .95)], [(.2, .95), (.83, .95)]],
        [[(.2, .14), (.5, .04), (.77, .2), (.69, .41), (.44, .47)], [(.44, .47), (.76, .55), (.82, .76), (.54, .96), (.18, .85)]],
        [[(.66, .05), (.15, .65)], [(.15, .65), (.88, .65)], [(.66, .05), (.66, .96)]],
        [[(.78, .05), (.28, .05)], [(.28, .05), (.22, .45)], [(.22, .45), (.56, .38), (.82, .63), (.6, .93), (.18, .88)]],
        [[(.7, .06), (.36, .3), (.2, .66), (.42, .95), (.75, .84), (.74, .6), (.5, .5), (.21, .66)]],
        [[(.18, .06), (.82, .06)], [(.82, .06), (.55, .5), (.4, .96)]],
        [[(.5, .47), (.24, .28), (.5, .05), (.76, .28), (.5, .47), (.2, .73), (.5, .96), (.8, .73), (.5, .47)]],
        [[(.78, .34), (.5, .5), (.25, .32), (.42, .06), (.74, .13), (.78, .4), (.6, .96)]],
    ];

    /// <summary>The strokes of a digit.</summary>
    public static IReadOnlyList<(double X, double Y)[]> Of(int digit) => _digits[digit];

    /// <summary>The point of a stroke's spline at <paramref name="t"/> from 0 to 1 between points <paramref name="i"/> and i + 1.</summary>
    /// <remarks>Beyond an end the stroke goes on as its mirror image, which makes a stroke of two points straight.</remarks>
    public static (double X, double Y) At((double X, double Y)[] stroke, int i, double t)
    {
        (double X, double Y) b = stroke[i];
        (double X, double Y) c = stroke[i + 1];
        (double X, double Y) a = i > 0 ? stroke[i - 1] : ((2 * b.X) - c.X, (2 * b.Y) - c.Y);
        (double X, double Y) d = i + 2 < stroke.Length ? stroke[i + 2] : ((2 * c.X) - b.X, (2 * c.Y) - b.Y);
        return (Spline(a.X, b.X, c.X, d.X, t), Spline(a.Y, b.Y, c.Y, d.Y, t));
    }

    private static double Spline(double a, double b, double c, double d, double t) =>
        b + (0.5 * t * (c - a + (t * ((2 * a) - (5 * b) + (4 * c) - d + (t * ((3 * (b - c)) + d - a))))));
}
