using System.Text;

namespace KFac.Nn;

/// <summary>Draws what a <see cref="TargetSearch"/> found as a self-contained SVG: each optimizer's course, and the target.</summary>
public static class SearchPlot
{
    /// <summary>Writes the plot to a file, in place of what was there.</summary>
    /// <inheritdoc cref="Render"/>
    /// <exception cref="IOException">It could not be written; a file that was there is untouched.</exception>
    public static void Write(string path, string title, TargetSearchResult result)
    {
        byte[] svg = Encoding.UTF8.GetBytes(Render(title, result));
        AtomicFile.Write(path, file => file.Write(svg));
    }

    /// <summary>Renders the plot; a curve is the first repetition of an optimizer's chosen settings.</summary>
    public static string Render(string title, TargetSearchResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        string metric = result.Target.Metric;
        StringBuilder svg = PlotPanel.Begin(title, panels: 1);
        PlotPanel.Append(svg, 0, metric, logarithmic: false, [.. result.Rows.Select(row => Series(row, metric))], result.Target.Value);
        return PlotPanel.End(svg);
    }

    private static PlotSeries Series(SearchRow row, string metric) =>
        new(row.Name, [.. row.Repetitions[0].Evaluations.Select(evaluation => (evaluation.Step, evaluation.Metrics.Get(metric)))]);
}
