namespace KFac.Nn;

/// <summary>Reads graphs with binary properties from a directory in OGB's raw molecule layout, such as Tox21's.</summary>
/// <remarks>
/// Files, each plain or <c>.gz</c>: <c>raw/{num-node-list, num-edge-list, edge, node-feat, edge-feat, graph-label}.csv</c>
/// and <c>split/NAME/{train, valid, test}.csv</c>, without headers. An empty field of <c>graph-label</c> is a missing label.
/// </remarks>
public static class GraphDataDirectory
{
    /// <summary>Categories of a feature are below it: each becomes a column.</summary>
    private const int MostCategories = 1024;

    /// <summary>Reads the directory.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such directory.</exception>
    /// <exception cref="FileNotFoundException">A file is missing; the message names it.</exception>
    /// <exception cref="InvalidDataException">A file is malformed, or files do not belong together; the message names file and row.</exception>
    public static GraphData Load(string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        Graphs graphs = OgbFolder.ReadGraphs(directory);
        NumberTable<int> nodes = NumberCsv<int>.Read(OgbFolder.Raw(directory, "node-feat"))
            .WithRows(graphs.NodeCount, "one per node");
        NumberTable<int> edges = NumberCsv<int>.Read(OgbFolder.Raw(directory, "edge-feat"))
            .WithRows(graphs.EdgeCount, "one per edge");
        NumberTable<float> labels = NumberCsv<float>.Read(OgbFolder.Raw(directory, "graph-label"), missing: float.NaN)
            .WithRows(graphs.Count, "one per graph");
        CheckCategories(nodes);
        CheckCategories(edges);
        CheckLabels(labels);
        return new GraphData(
            directory,
            graphs,
            nodes.Columns,
            nodes.Values,
            edges.Columns,
            edges.Values,
            labels.Columns,
            labels.Values,
            OgbFolder.ReadSplit(directory, graphs.Count));
    }

    private static void CheckCategories(NumberTable<int> features)
    {
        int index = features.Values.AsSpan().IndexOfAnyExceptInRange(0, MostCategories - 1);
        if (index >= 0)
        {
            throw new InvalidDataException(
                $"{features.Path}: row {(index / features.Columns) + 1} has {features.Values[index]} in field {(index % features.Columns) + 1}; "
                + $"wanted a category from 0 to {MostCategories - 1}.");
        }
    }

    private static void CheckLabels(NumberTable<float> labels)
    {
        int index = Array.FindIndex(labels.Values, static value => value is not (0f or 1f or float.NaN));
        if (index >= 0)
        {
            throw new InvalidDataException(
                $"{labels.Path}: row {(index / labels.Columns) + 1} has {labels.Values[index]} in field {(index % labels.Columns) + 1}; "
                + "wanted 0, 1 or nothing.");
        }
    }
}
