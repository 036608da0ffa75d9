namespace KFac.Reference;

/// <summary>Layers on graphs in float64, straight from their equations.</summary>
public static class GraphFunctions
{
    /// <summary>Ĉ = D^{-1/2}(C + I)D^{-1/2} as a dense matrix; edges count in both directions and once.</summary>
    public static double[,] NormalizedAdjacency(int nodes, IReadOnlyList<(int Source, int Target)> edges)
    {
        var c = new double[nodes, nodes];
        for (int i = 0; i < nodes; i++)
        {
            c[i, i] = 1;
        }

        foreach ((int source, int target) in edges)
        {
            c[source, target] = c[target, source] = 1;
        }

        var normal = new double[nodes, nodes];
        for (int i = 0; i < nodes; i++)
        {
            for (int j = 0; j < nodes; j++)
            {
                normal[i, j] = c[i, j] / Math.Sqrt(RowSum(c, i) * RowSum(c, j));
            }
        }

        return normal;
    }

    /// <summary>S·X with X [columns of S, width].</summary>
    public static double[] Multiply(double[,] s, double[] x, int width)
    {
        var y = new double[s.GetLength(0) * width];
        for (int i = 0; i < s.GetLength(0); i++)
        {
            for (int k = 0; k < s.GetLength(1); k++)
            {
                for (int j = 0; j < width; j++)
                {
                    y[(i * width) + j] += s[i, k] * x[(k * width) + j];
                }
            }
        }

        return y;
    }

    /// <summary>Several graphs side by side: offsets of their nodes and edges, the ends of each edge, and its features.</summary>
    public sealed record Batch(int[] NodeOffsets, int[] EdgeOffsets, int[] Sources, int[] Targets, double[] EdgeFeatures)
    {
        public int Nodes => NodeOffsets[^1];

        public int Graphs => NodeOffsets.Length - 1;

        /// <summary>The graph of each row.</summary>
        public static int[] Owners(int[] offsets) =>
            [.. Enumerable.Range(0, offsets.Length - 1).SelectMany(n => Enumerable.Repeat(n, offsets[n + 1] - offsets[n]))];
    }

    /// <summary>A graph network with tanh (Battaglia et al. 2018), on flat parameters in the order of its layers.</summary>
    /// <param name="Aggregation">Sum, Mean or Max.</param>
    public sealed record Network(string Aggregation, int NodeFeatures, int EdgeFeatures, int Embedding, int[] Hidden, int Blocks, int Outputs)
    {
        private const float Epsilon = 1e-5f;

        public double[] Forward(double[] parameters, Batch batch, double[] nodeFeatures)
        {
            var reader = new Parameters(parameters);
            double[][] nodes = Rows(reader.Linear(nodeFeatures, NodeFeatures, Embedding), Embedding);
            double[][] edges = Rows(reader.Linear(batch.EdgeFeatures, EdgeFeatures, Embedding), Embedding);
            double[][] globals = [.. Enumerable.Repeat(Array.Empty<double>(), batch.Graphs)];
            int[] graphOfEdge = Batch.Owners(batch.EdgeOffsets);
            int[] graphOfNode = Batch.Owners(batch.NodeOffsets);
            for (int block = 0; block < Blocks; block++)
            {
                edges = Update(reader, [.. edges.Select((edge, e) => (double[])
                    [.. edge, .. nodes[batch.Sources[e]], .. nodes[batch.Targets[e]], .. globals[graphOfEdge[e]]])]);
                nodes = Update(reader, [.. nodes.Select((node, v) => (double[])
                    [.. node, .. Gather(edges, batch.Sources, v), .. Gather(edges, batch.Targets, v), .. globals[graphOfNode[v]]])]);
                globals = Update(reader, [.. globals.Select((global, n) => (double[])
                    [.. Gather(nodes, graphOfNode, n), .. Gather(edges, graphOfEdge, n), .. global])]);
            }

            return reader.Linear([.. globals.SelectMany(static row => row)], Hidden[^1], Outputs);
        }

        private static double[][] Rows(double[] matrix, int width) => [.. matrix.Chunk(width)];

        private double[][] Update(Parameters reader, double[][] rows)
        {
            int width = rows[0].Length;
            double[] x = [.. rows.SelectMany(static row => row)];
            foreach (int hidden in Hidden)
            {
                x = reader.Linear(x, width, hidden);
                x = NetworkFunctions.Map(LayerNormReference.Forward(x, reader.Take(hidden), reader.Take(hidden), Epsilon), Math.Tanh);
                width = hidden;
            }

            return Rows(x, width);
        }

        private double[] Gather(double[][] rows, int[] owners, int owner)
        {
            double[][] own = [.. rows.Where((_, i) => owners[i] == owner)];
            var result = new double[Hidden[^1]];
            for (int j = 0; j < result.Length && own.Length > 0; j++)
            {
                result[j] = Aggregation switch
                {
                    "Max" => own.Max(row => row[j]),
                    "Mean" => own.Average(row => row[j]),
                    _ => own.Sum(row => row[j]),
                };
            }

            return result;
        }
    }

    /// <summary>Reads flat parameters layer by layer.</summary>
    private sealed class Parameters(double[] values)
    {
        private int _offset;

        public double[] Take(int length) => values.AsSpan((_offset += length) - length, length).ToArray();

        public double[] Linear(double[] x, int inputs, int outputs) =>
            NetworkFunctions.Linear(x, inputs, Take(outputs * (inputs + 1)), outputs, bias: true);
    }

    private static double RowSum(double[,] matrix, int row)
    {
        double sum = 0;
        for (int j = 0; j < matrix.GetLength(1); j++)
        {
            sum += matrix[row, j];
        }

        return sum;
    }
}
