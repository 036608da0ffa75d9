using System.Text;

namespace KFac.Nn;

/// <summary>Draws the evaluations of a run as a self-contained SVG: a panel for each metric, the loss above.</summary>
public static class TrainingPlot
{
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
        StringBuilder svg = PlotPanel.Begin(title, workload.Metrics.Count);
        for (int i = 0; i < workload.Metrics.Count; i++)
        {
            // Figures that are the better the lower span orders of magnitude; shares of 1 do not.
            MetricDefinition metric = workload.Metrics[i];
            PlotPanel.Append(
                svg, i, metric.Label, logarithmic: !metric.HigherIsBetter, [.. workload.Parts.Select(part => Series(metric.NameIn(part), evaluations))]);
        }

        return PlotPanel.End(svg);
    }

    private static PlotSeries Series(string name, IReadOnlyList<Evaluation> evaluations) =>
        new(name, [.. evaluations.Select(evaluation => (evaluation.Step, evaluation.Metrics.Get(name)))]);
}
