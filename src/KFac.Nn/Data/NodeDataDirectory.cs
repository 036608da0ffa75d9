namespace KFac.Nn;

/// <summary>Reads one graph with labelled nodes from a directory in OGB's raw node layout, such as Cora's.</summary>
/// <remarks>
/// Files, each plain or <c>.gz</c>: <c>raw/{num-node-list, num-edge-list, edge, node-feat, node-label}.csv</c> and
/// <c>split/NAME/{train, valid, test}.csv</c>, without headers.
/// </remarks>
public static class NodeDataDirectory
{
    /// <summary>Classes are below it: each becomes an output of a network.</summary>
    private const int MostClasses = 1 << 16;

    /// <summary>Reads the directory.</summary>
    /// <exception cref="DirectoryNotFoundException">There is no such directory.</exception>
    /// <exception cref="FileNotFoundException">A file is missing; the message names it.</exception>
    /// <exception cref="InvalidDataException">A file is malformed, or files do not belong together; the message names file and row.</exception>
    public static NodeData Load(string directory)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        Graphs graph = OgbFolder.ReadGraphs(directory);
        if (graph.Count != 1)
        {
            throw new InvalidDataException($"{directory} holds {graph.Count} graphs; wanted one, whose nodes are labelled.");
        }

        NumberTable<float> features = NumberCsv<float>.Read(OgbFolder.Raw(directory, "node-feat"))
            .WithRows(graph.NodeCount, "one per node");
        CheckFinite(features);
        NumberTable<int> labels = NumberCsv<int>.Read(OgbFolder.Raw(directory, "node-label"), columns: 1)
            .WithRows(graph.NodeCount, "one per node");
        int stray = labels.Values.AsSpan().IndexOfAnyExceptInRange(0, MostClasses - 1);
        if (stray >= 0)
        {
            throw new InvalidDataException($"{labels.Path}: row {stray + 1} is {labels.Values[stray]}; wanted a class from 0 to {MostClasses - 1}.");
        }

        return new NodeData(
            directory,
            graph,
            features.Columns,
            features.Values,
            labels.Values.DefaultIfEmpty().Max() + 1,
            labels.Values,
            OgbFolder.ReadSplit(directory, graph.NodeCount));
    }

    private static void CheckFinite(NumberTable<float> table)
    {
        int index = Array.FindIndex(table.Values, static value => !float.IsFinite(value));
        if (index >= 0)
        {
            throw new InvalidDataException(
                $"{table.Path}: row {(index / table.Columns) + 1} has {table.Values[index]} in field {(index % table.Columns) + 1}; wanted a finite number.");
        }
    }
}
