using KFac.Kernels;

namespace KFac.Nn;

/// <summary>The symmetrically normalised adjacency with self loops, <c>Ĉ = D^{-1/2}(C + I)D^{-1/2}</c> (Kipf and Welling 2017; equation 52).</summary>
/// <remarks>C is 0 or 1: edges count in both directions and once, however often and in whichever direction they are listed, and a
/// listed self loop adds nothing to the one that every node has. D holds the row sums of C + I. Several graphs make one
/// block-diagonal matrix.</remarks>
public static class NormalizedAdjacency
{
    /// <summary>Makes the matrix of all graphs' nodes, [nodes, nodes].</summary>
    /// <param name="stream">Does the upload.</param>
    /// <param name="arena">Holds the matrix on the device.</param>
    public static SparseMatrix Of(DeviceStream stream, Arena arena, Graphs graphs)
    {
        ArgumentNullException.ThrowIfNull(graphs);
        (int[] rows, int[] columns) = Entries(graphs);
        var degrees = new int[graphs.NodeCount];
        foreach (int row in rows)
        {
            degrees[row]++;
        }

        var values = new float[rows.Length];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = (float)(1 / Math.Sqrt((double)degrees[rows[i]] * degrees[columns[i]]));
        }

        return SparseMatrix.FromEntries(stream, arena, graphs.NodeCount, graphs.NodeCount, rows, columns, values);
    }

    /// <summary>Rows and columns of the entries of C + I, each once, in ascending order.</summary>
    private static (int[] Rows, int[] Columns) Entries(Graphs graphs)
    {
        var entries = new List<(int Row, int Column)>(graphs.NodeCount + (2 * graphs.EdgeCount));
        for (int node = 0; node < graphs.NodeCount; node++)
        {
            entries.Add((node, node));
        }

        for (int graph = 0; graph < graphs.Count; graph++)
        {
            int first = graphs.NodeOffsets[graph];
            ReadOnlySpan<int> sources = graphs.SourcesOf(graph);
            ReadOnlySpan<int> targets = graphs.TargetsOf(graph);
            for (int edge = 0; edge < sources.Length; edge++)
            {
                entries.Add((first + sources[edge], first + targets[edge]));
                entries.Add((first + targets[edge], first + sources[edge]));
            }
        }

        entries.Sort();
        (int Row, int Column)[] once = [.. entries.Distinct()];
        return (Array.ConvertAll(once, static entry => entry.Row), Array.ConvertAll(once, static entry => entry.Column));
    }
}
