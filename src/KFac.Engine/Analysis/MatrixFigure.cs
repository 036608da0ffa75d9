using System.Globalization;
using System.Security;
using System.Text;

namespace KFac.Engine;

/// <summary>A figure of matrices in grey scale, as a stand-alone SVG document.</summary>
/// <remarks>Panels stand in columns that are read from left to right; a column's panels share its height evenly, so a
/// single panel stands in the middle next to columns of two.</remarks>
public sealed record MatrixFigure
{
    private const double Margin = 28;
    private const double ColumnGap = 30;
    private const double HeaderHeight = 62;
    private const double FooterHeight = 30;
    private const double PanelTop = 26;
    private const double CaptionLine = 15;
    private const double BandGap = 22;
    private const double RowLabelWidth = 34;

    /// <summary>First line.</summary>
    public required string Title { get; init; }

    /// <summary>Second line.</summary>
    public string Subtitle { get; init; } = "";

    /// <summary>Last line.</summary>
    public string Note { get; init; } = "";

    /// <summary>Names of the bands from top to bottom, written upright at the left; empty for none.</summary>
    public IReadOnlyList<string> RowLabels { get; init; } = [];

    /// <summary>The columns, each with at least one panel.</summary>
    public required IReadOnlyList<IReadOnlyList<MatrixPanel>> Columns { get; init; }

    /// <summary>Draws the figure.</summary>
    /// <exception cref="ArgumentException">A panel holds a number that is not finite.</exception>
    public string ToSvg()
    {
        double bodyHeight = Columns.Max(ColumnHeight);
        double width = (2 * Margin) + LabelWidth + Columns.Sum(ColumnWidth) + (ColumnGap * (Columns.Count - 1));
        double height = HeaderHeight + bodyHeight + FooterHeight + Margin;
        var svg = new StringBuilder();
        Line(svg, $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:0.#}\" height=\"{height:0.#}\" viewBox=\"0 0 {width:0.#} {height:0.#}\" font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\">");
        Line(svg, $"<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>");
        Text(svg, Margin, 34, 18, "start", "#111111", Title, " font-weight=\"bold\"");
        Text(svg, Margin, 54, 12.5, "start", "#555555", Subtitle);
        Text(svg, Margin, height - Margin + 6, 11.5, "start", "#555555", Note);
        DrawRowLabels(svg, bodyHeight);
        double x = Margin + LabelWidth;
        foreach (IReadOnlyList<MatrixPanel> column in Columns)
        {
            DrawColumn(svg, column, x, bodyHeight);
            x += ColumnWidth(column) + ColumnGap;
        }

        Line(svg, $"</svg>");
        return svg.ToString();
    }

    private double LabelWidth => RowLabels.Count == 0 ? 0 : RowLabelWidth;

    private static double ColumnHeight(IReadOnlyList<MatrixPanel> column) =>
        column.Count * (column.Max(PanelHeight) + BandGap);

    /// <summary>Captions may be wider than a slim matrix.</summary>
    private static double ColumnWidth(IReadOnlyList<MatrixPanel> column) => column.Max(panel =>
        Math.Max(panel.Width, 6.4 * panel.Captions.Append(panel.Title).Max(text => text.Length)));

    private static double PanelHeight(MatrixPanel panel) => PanelTop + panel.Height + (CaptionLine * panel.Captions.Count);

    private void DrawRowLabels(StringBuilder svg, double bodyHeight)
    {
        for (int row = 0; row < RowLabels.Count; row++)
        {
            double x = Margin + 12;
            double y = HeaderHeight + (bodyHeight * (row + 0.5) / RowLabels.Count);
            string turn = string.Create(CultureInfo.InvariantCulture, $" font-weight=\"bold\" transform=\"rotate(-90 {x:0.##} {y:0.##})\"");
            Text(svg, x, y, 13.5, "middle", "#111111", RowLabels[row], turn);
        }
    }

    private static void DrawColumn(StringBuilder svg, IReadOnlyList<MatrixPanel> column, double x, double bodyHeight)
    {
        double band = bodyHeight / column.Count;
        double centre = x + (ColumnWidth(column) / 2);
        for (int i = 0; i < column.Count; i++)
        {
            double top = HeaderHeight + (band * i) + ((band - PanelHeight(column[i])) / 2);
            DrawPanel(svg, column[i], centre, top);
        }
    }

    private static void DrawPanel(StringBuilder svg, MatrixPanel panel, double centre, double top)
    {
        Text(svg, centre, top + 14, 13, "middle", "#111111", panel.Title);
        double left = centre - (panel.Width / 2);
        GreyMatrix.Draw(svg, panel, left, top + PanelTop - 4);
        double y = top + PanelTop + panel.Height + 12;
        foreach (string caption in panel.Captions)
        {
            Text(svg, centre, y, 11, "middle", "#555555", caption);
            y += CaptionLine;
        }
    }

    private static void Text(
        StringBuilder svg, double x, double y, double size, string anchor, string colour, string text, string attributes = "") =>
        Line(svg, $"<text x=\"{x:0.##}\" y=\"{y:0.##}\" font-size=\"{size:0.#}\" text-anchor=\"{anchor}\" fill=\"{colour}\"{attributes}>{SecurityElement.Escape(text)}</text>");

    private static void Line(StringBuilder svg, FormattableString text) =>
        svg.Append(text.ToString(CultureInfo.InvariantCulture)).Append('\n');
}
