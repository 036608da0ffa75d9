namespace KFac.Nn;

/// <summary>The parts that both of OGB's raw layouts share: graphs as counts and edges, and splits as lists of indices.</summary>
internal static class OgbFolder
{
    /// <summary>A file of <c>raw/</c>.</summary>
    public static string Raw(string directory, string name)
    {
        InputPath.RequireDataDirectory(directory);
        return CompressedFile.Find(Path.Combine(directory, "raw"), name + ".csv");
    }

    /// <summary>Reads <c>num-node-list</c>, <c>num-edge-list</c> and <c>edge</c>.</summary>
    public static Graphs ReadGraphs(string directory)
    {
        NumberTable<int> nodes = NumberCsv<int>.Read(Raw(directory, "num-node-list"), columns: 1);
        if (nodes.Rows == 0)
        {
            throw new InvalidDataException($"{nodes.Path} is empty; wanted the number of nodes of at least one graph.");
        }

        NumberTable<int> edges = NumberCsv<int>.Read(Raw(directory, "num-edge-list"), columns: 1)
            .WithRows(nodes.Rows, $"one per graph of {Path.GetFileName(nodes.Path)}");
        int[] nodeOffsets = Offsets(nodes);
        int[] edgeOffsets = Offsets(edges);
        NumberTable<int> ends = NumberCsv<int>.Read(Raw(directory, "edge"), columns: 2)
            .WithRows(edgeOffsets[^1], $"the sum of {Path.GetFileName(edges.Path)}");
        var sources = new int[ends.Rows];
        var targets = new int[ends.Rows];
        for (int graph = 0; graph < nodes.Rows; graph++)
        {
            for (int edge = edgeOffsets[graph]; edge < edgeOffsets[graph + 1]; edge++)
            {
                sources[edge] = End(ends, edge, 0, graph, nodes.Values[graph]);
                targets[edge] = End(ends, edge, 1, graph, nodes.Values[graph]);
            }
        }

        return new Graphs(nodeOffsets, edgeOffsets, sources, targets);
    }

    /// <summary>Reads <c>split/*/{train,valid,test}</c>.</summary>
    /// <param name="directory">The data set.</param>
    /// <param name="count">Examples; indices are below it.</param>
    public static DataSplit ReadSplit(string directory, int count)
    {
        string splits = Path.Combine(directory, "split");
        string[] schemes = Directory.Exists(splits) ? Directory.GetDirectories(splits) : [];
        if (schemes.Length != 1)
        {
            string found = schemes.Length == 0 ? "none" : string.Join(", ", schemes.Select(Path.GetFileName).Order(StringComparer.Ordinal));
            throw new InvalidDataException($"{splits} holds {found}; wanted one folder with train.csv[.gz], valid.csv[.gz] and test.csv[.gz].");
        }

        var owner = new string?[count];
        return new DataSplit(Part(schemes[0], "train", owner), Part(schemes[0], "valid", owner), Part(schemes[0], "test", owner));
    }

    private static int[] Part(string scheme, string name, string?[] owner)
    {
        NumberTable<int> part = NumberCsv<int>.Read(CompressedFile.Find(scheme, name + ".csv"), columns: 1);
        if (part.Rows == 0)
        {
            throw new InvalidDataException($"{part.Path} is empty; wanted at least one index.");
        }

        for (int row = 0; row < part.Rows; row++)
        {
            int index = part.Values[row];
            if (index < 0 || index >= owner.Length)
            {
                throw new InvalidDataException($"{part.Path}: row {row + 1} is {index}; wanted 0 to {owner.Length - 1}.");
            }

            if (owner[index] is { } other)
            {
                throw new InvalidDataException($"{part.Path}: row {row + 1} is {index}, which {other} has already; wanted each example once.");
            }

            owner[index] = Path.GetFileName(part.Path);
        }

        return part.Values;
    }

    private static int[] Offsets(NumberTable<int> counts)
    {
        var offsets = new int[counts.Rows + 1];
        for (int row = 0; row < counts.Rows; row++)
        {
            int count = counts.Values[row];
            if (count < 0 || count > int.MaxValue - offsets[row])
            {
                throw new InvalidDataException($"{counts.Path}: row {row + 1} is {count}; wanted a count, at most {int.MaxValue} in all.");
            }

            offsets[row + 1] = offsets[row] + count;
        }

        return offsets;
    }

    private static int End(NumberTable<int> ends, int edge, int column, int graph, int nodes)
    {
        int node = ends.Values[(2 * edge) + column];
        return node >= 0 && node < nodes
            ? node
            : throw new InvalidDataException(
                $"{ends.Path}: row {edge + 1} names node {node}, but graph {graph} has {nodes}; wanted {(nodes == 0 ? "no edge of it" : $"0 to {nodes - 1}")}.");
    }
}
