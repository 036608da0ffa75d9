using System.Net;
using System.Text;

namespace KFac.Nn;

/// <summary>Draws the evaluations of a run as a self-contained SVG: a panel for each metric, the loss above.</summary>
public static class TrainingPlot
{
    private const double Width = 720;
    private const double PanelHeight = 300;
    private const double Left = 72;
    private const double Right = 24;
    private const double Top = 44;
    private const double Bottom = 48;

    /// <summary>Of training, validation and test.</summary>
    private static readonly string[] _colours = ["#1f5fa8", "#c8501e", "#3d8f4f"];

    /// <summary>Writes the plot to a file, in place of what was there.</summary>
    /// <inheritdoc cref="Render"/>
    /// <exception cref="IOException">It could not be written; a file that was there is untouched.</exception>
    public static void Write(string path, string title, Workload workload, IReadOnlyList<Evaluation> evaluations)
    {
        byte[] svg = Encoding.UTF8.GetBytes(Render(title, workload, evaluations));
        AtomicFile.Write(path, file => file.Write(svg));
    }

    /// <summary>Renders the plot.</summary>
    /// <param name="title">What was trained, for example workload and optimizer.</param>
    /// <param name="workload">Says which metrics there are.</param>
    /// <param name="evaluations">Oldest first; may be empty.</param>
    public static string Render(string title, Workload workload, IReadOnlyList<Evaluation> evaluations)
    {
        ArgumentNullException.ThrowIfNull(workload);
        ArgumentNullException.ThrowIfNull(evaluations);
        var svg = new StringBuilder();
        double height = workload.Metrics.Count * PanelHeight;
        svg.Append(Text($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {height}\" width=\"{Width}\" height=\"{height}\""));
        svg.Append(" font-family=\"sans-serif\" font-size=\"12\" fill=\"#222\">\n");
        svg.Append("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n");
        svg.Append(Text($"<text x=\"{Left}\" y=\"22\" font-size=\"15\" font-weight=\"bold\">{WebUtility.HtmlEncode(title)}</text>\n"));
        for (int i = 0; i < workload.Metrics.Count; i++)
        {
            MetricDefinition metric = workload.Metrics[i];
            Panel(svg, i * PanelHeight, metric, [.. workload.Parts.Select(metric.NameIn)], evaluations);
        }

        return svg.Append("</svg>\n").ToString();
    }

    /// <summary>Figures that are the better the lower span orders of magnitude; shares of 1 do not.</summary>
    private static void Panel(
        StringBuilder svg, double top, MetricDefinition metric, IReadOnlyList<string> names, IReadOnlyList<Evaluation> evaluations)
    {
        double bottom = top + PanelHeight - Bottom;
        PlotAxis x = PlotAxis.FromZero(evaluations.Count == 0 ? 1 : evaluations[^1].Step, Left, Width - Right);
        List<double> values = [.. evaluations.SelectMany(evaluation => names.Select(evaluation.Metrics.Get))];
        PlotAxis y = PlotAxis.Over(values, bottom, top + Top, logarithmic: !metric.HigherIsBetter);
        Frame(svg, top, bottom, metric.Label, x, y);
        for (int i = 0; i < names.Count; i++)
        {
            (string name, string colour) = (names[i], _colours[i]);
            IEnumerable<string> points = evaluations.Select(evaluation =>
                Text($"{x.Position(evaluation.Step):0.##},{y.Position(evaluation.Metrics.Get(name)):0.##}"));
            svg.Append(Text($"<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.8\" points=\"{string.Join(' ', points)}\"/>\n"));
            Legend(svg, top, i, name, colour);
        }
    }

    private static void Frame(StringBuilder svg, double top, double bottom, string label, PlotAxis x, PlotAxis y)
    {
        const string Grid = "stroke=\"#e2e2e2\"";
        foreach (double tick in y.Ticks)
        {
            double at = y.Position(tick);
            svg.Append(Text($"<line x1=\"{Left}\" x2=\"{Width - Right}\" y1=\"{at:0.##}\" y2=\"{at:0.##}\" {Grid}/>"));
            svg.Append(Text($"<text x=\"{Left - 8}\" y=\"{at + 4:0.##}\" text-anchor=\"end\">{tick:0.######}</text>\n"));
        }

        foreach (double tick in x.Ticks)
        {
            double at = x.Position(tick);
            svg.Append(Text($"<line x1=\"{at:0.##}\" x2=\"{at:0.##}\" y1=\"{bottom}\" y2=\"{bottom + 5}\" stroke=\"#222\"/>"));
            svg.Append(Text($"<text x=\"{at:0.##}\" y=\"{bottom + 18}\" text-anchor=\"middle\">{tick:0.######}</text>\n"));
        }

        svg.Append(Text($"<path d=\"M{Left} {top + Top}V{bottom}H{Width - Right}\" fill=\"none\" stroke=\"#222\"/>\n"));
        svg.Append(Text($"<text x=\"{(Left + Width - Right) / 2}\" y=\"{bottom + 36}\" text-anchor=\"middle\">step</text>"));
        double middle = (top + Top + bottom) / 2;
        svg.Append(Text($"<text x=\"16\" y=\"{middle}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {middle})\">{label}</text>\n"));
    }

    private static void Legend(StringBuilder svg, double top, int index, string name, string colour)
    {
        double x = Width - Right - 330 + (170 * index);
        double y = top + Top - 12;
        svg.Append(Text($"<line x1=\"{x}\" x2=\"{x + 22}\" y1=\"{y - 4}\" y2=\"{y - 4}\" stroke=\"{colour}\" stroke-width=\"1.8\"/>"));
        svg.Append(Text($"<text x=\"{x + 28}\" y=\"{y}\">{name}</text>\n"));
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
