using System.Net;
using System.Text;

namespace KFac.Nn;

/// <summary>A curve of a <see cref="PlotPanel"/>: values over steps.</summary>
internal sealed record PlotSeries(string Name, IReadOnlyList<(long Step, double Value)> Points);

/// <summary>SVG of a training plot: a document of panels one below the other, each with curves over steps.</summary>
internal sealed class PlotPanel
{
    private const double Width = 720;
    private const double Height = 300;
    private const double Left = 72;
    private const double Right = 24;
    private const double Top = 44;
    private const double Bottom = 48;
    private const string Grid = "stroke=\"#e2e2e2\"";

    private static readonly string[] _colours = ["#1f5fa8", "#c8501e", "#3d8f4f", "#7a4fa3", "#8a6d1f"];

    private readonly StringBuilder _svg;
    private readonly double _top;
    private readonly double _bottom;

    private PlotPanel(StringBuilder svg, int index)
    {
        _svg = svg;
        _top = (index * Height) + Top;
        _bottom = ((index + 1) * Height) - Bottom;
    }

    /// <summary>The start of a document with room for so many panels.</summary>
    public static StringBuilder Begin(string title, int panels)
    {
        var svg = new StringBuilder();
        double height = panels * Height;
        svg.Append(Text($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {height}\" width=\"{Width}\" height=\"{height}\""));
        svg.Append(" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n");
        svg.Append("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
        return svg.Append(Text($"<text x=\"{Left}\" y=\"22\" font-size=\"15\" font-weight=\"bold\">{WebUtility.HtmlEncode(title)}</text>\n"));
    }

    /// <summary>The whole document.</summary>
    public static string End(StringBuilder svg) => svg.Append("</svg>\n").ToString();

    /// <summary>Appends a panel.</summary>
    /// <param name="index">Its place from above, from 0 on.</param>
    /// <param name="mark">A value to draw a line at; null for none.</param>
    public static void Append(
        StringBuilder svg, int index, string label, bool logarithmic, IReadOnlyList<PlotSeries> series, double? mark = null)
    {
        var panel = new PlotPanel(svg, index);
        long last = Math.Max(1, series.Select(static one => one.Points.Count == 0 ? 0 : one.Points[^1].Step).DefaultIfEmpty().Max());
        PlotAxis x = PlotAxis.FromZero(last, Left, Width - Right);
        List<double> values = [.. series.SelectMany(static one => one.Points.Select(static point => point.Value))];
        if (mark is double level)
        {
            values.Add(level);
        }

        PlotAxis y = PlotAxis.Over(values, panel._bottom, panel._top, logarithmic);
        panel.Frame(label, x, y);
        if (mark is double target)
        {
            panel.Mark(y.Position(target));
        }

        for (int i = 0; i < series.Count; i++)
        {
            panel.Curve(series[i], i, series.Count, x, y);
        }
    }

    private void Frame(string label, PlotAxis x, PlotAxis y)
    {
        foreach (double tick in y.Ticks)
        {
            double at = y.Position(tick);
            _svg.Append(Text($"<line x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{at:0.##}\" y2=\"{at:0.##}\" {Grid}/>"));
            _svg.Append(Text($"<text x=\"{Left - 8}\" y=\"{at + 4:0.##}\" text-anchor=\"end\">{tick:0.######}</text>\n"));
        }

        foreach (double tick in x.Ticks)
        {
            double at = x.Position(tick);
            _svg.Append(Text($"<line x1=\"{at:0.##}\" x2=\"{at:0.##}\" y1=\"{_bottom}\" y2=\"{_bottom + 5}\" stroke=\"#222\"/>"));
            _svg.Append(Text($"<text x=\"{at:0.##}\" y=\"{_bottom + 18}\" text-anchor=\"middle\">{tick:0.######}</text>\n"));
        }

        _svg.Append(Text($"<path d=\"M{Left} {_top}V{_bottom}H{Width - Right}\" fill=\"none\" stroke=\"#222\"/>\n"));
        _svg.Append(Text($"<text x=\"{(Left + Width - Right) / 2}\" y=\"{_bottom + 36}\" text-anchor=\"middle\">step</text>"));
        double middle = (_top + _bottom) / 2;
        _svg.Append(Text($"<text x=\"16\" y=\"{middle}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {middle})\">{label}</text>\n"));
    }

    private void Mark(double y) =>
        _svg.Append(Text($"<line x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{y:0.##}\" y2=\"{y:0.##}\" stroke=\"#222\" stroke-dasharray=\"5 4\"/>\n"));

    private void Curve(PlotSeries series, int index, int count, PlotAxis x, PlotAxis y)
    {
        string colour = _colours[index % _colours.Length];
        IEnumerable<string> points = series.Points.Select(point => Text($"{x.Position(point.Step):0.##},{y.Position(point.Value):0.##}"));
        _svg.Append(Text($"<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" points=\"{string.Join(' ', points)}\"/>\n"));
        double spacing = Math.Min(170, (Width - Left - Right) / count);
        double legend = Width - Right - (spacing * (count - index)) + 10;
        double middle = _top - 12;
        _svg.Append(Text($"<line x1=\"{legend}\" x2=\"{legend + 22}\" y1=\"{middle - 4}\" y2=\"{middle - 4}\" stroke=\"{colour}\" stroke-width=\"1.8\"/>"));
        _svg.Append(Text($"<text x=\"{legend + 28}\" y=\"{middle}\">{WebUtility.HtmlEncode(series.Name)}</text>\n"));
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
