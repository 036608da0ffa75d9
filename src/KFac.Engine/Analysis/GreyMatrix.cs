using System.Globalization;
using System.Text;

namespace KFac.Engine;

/// <summary>Draws one matrix as SVG cells: one path per grey level, neighbours of a row merged, zeros left to the black ground.</summary>
internal static class GreyMatrix
{
    private const int Levels = 256;

    /// <summary>Appends the drawing with its upper left corner at (<paramref name="x"/>, <paramref name="y"/>).</summary>
    /// <exception cref="ArgumentException">The matrix holds a number that is not finite.</exception>
    public static void Draw(StringBuilder svg, MatrixPanel panel, double x, double y)
    {
        HostMatrix matrix = panel.Matrix;
        var paths = new StringBuilder?[Levels];
        double white = panel.WhiteAt ?? matrix.LargestMagnitude();
        for (int row = 0; row < matrix.Rows; row++)
        {
            int start = 0;
            while (start < matrix.Columns)
            {
                int level = Level(panel, matrix[row, start], white);
                int end = start + 1;
                while (end < matrix.Columns && Level(panel, matrix[row, end], white) == level)
                {
                    end++;
                }

                (paths[level] ??= new StringBuilder()).Append(
                    CultureInfo.InvariantCulture, $"M{start} {row}h{end - start}v1H{start}z");
                start = end;
            }
        }

        Append(svg, paths, panel, x, y);
    }

    private static int Level(MatrixPanel panel, double value, double white)
    {
        if (!double.IsFinite(value))
        {
            throw new ArgumentException($"The matrix '{panel.Title}' holds {value}; wanted finite numbers.");
        }

        return white > 0 ? (int)Math.Round((Levels - 1) * Math.Sqrt(Math.Min(Math.Abs(value) / white, 1))) : 0;
    }

    private static void Append(StringBuilder svg, StringBuilder?[] paths, MatrixPanel panel, double x, double y)
    {
        CultureInfo culture = CultureInfo.InvariantCulture;
        string size = string.Create(culture, $"width=\"{panel.Width:0.##}\" height=\"{panel.Height:0.##}\"");
        svg.Append(culture, $"<rect x=\"{x:0.##}\" y=\"{y:0.##}\" {size} fill=\"#000000\"/>\n");
        double cellWidth = panel.Width / Math.Max(panel.Matrix.Columns, 1);
        double cellHeight = panel.Height / Math.Max(panel.Matrix.Rows, 1);
        svg.Append(culture, $"<g transform=\"translate({x:0.##} {y:0.##}) scale({cellWidth:0.######} {cellHeight:0.######})\" shape-rendering=\"crispEdges\">\n");
        for (int level = 1; level < Levels; level++)
        {
            if (paths[level] is { } path)
            {
                svg.Append(culture, $"<path fill=\"#{level:x2}{level:x2}{level:x2}\" d=\"{path}\"/>\n");
            }
        }

        svg.Append(culture, $"</g>\n<rect x=\"{x:0.##}\" y=\"{y:0.##}\" {size} fill=\"none\" stroke=\"#777777\"/>\n");
    }
}
