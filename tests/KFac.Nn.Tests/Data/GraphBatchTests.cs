using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public class GraphBatchTests
{
    /// <summary>Two graphs: a path of three nodes and a lone node.</summary>
    private static readonly GraphData _data = new(
        "test",
        new Graphs([0, 3, 4], [0, 2, 2], [0, 1], [1, 2]),
        2,
        (int[])[0, 1, 2, 0, 0, 0, 1, 1],
        1,
        (int[])[1, 0],
        2,
        (float[])[1, float.NaN, 0, 1],
        new DataSplit([0], [1], []));

    [Fact]
    public void Graphs_lie_side_by_side_with_edges_both_ways()
    {
        using Device device = TestDevice.OpenDefault();
        using var batch = new GraphBatch(device.DefaultStream, _data, GraphAggregation.Sum);
        batch.Fill([1, 0, 0]);
        Assert.Equal(3, batch.Count);
        Assert.Equal([0, 1, 4, 7], batch.NodeSegments.Host.ToArray());
        MessageGraph messages = batch.Structure.Messages!;
        Assert.Equal([0, 0, 4, 8], messages.EdgeSegments.Host.ToArray());
        float[] path = [1, 0, 0, 0, 1, 0, 0, 1, 1, 0, 1, 0, 0, 1, 0];
        Assert.Equal([0, 1, 0, 0, 1, .. path, .. path], Read(device, batch.Nodes));
        float[] edges = [0, 1, 0, 1, 1, 0, 1, 0];
        Assert.Equal([.. edges, .. edges], Read(device, messages.EdgeFeatures));
        Assert.Equal([0, 1, 1, float.NaN, 1, float.NaN], Read(device, batch.Labels));

        var nodes = new GuardedMatrix<float>(device.DefaultStream, new Arena(device), 7, 1);
        nodes.Write([0, 1, 2, 3, 4, 5, 6]);
        var ends = new GuardedMatrix<float>(device.DefaultStream, new Arena(device), 8, 1);
        SparseProduct.Run(device.DefaultStream, 1, messages.SourceToEdges.Matrix, nodes.View, 0, ends.View);
        Assert.Equal([1, 2, 2, 3, 4, 5, 5, 6], ends.Read());
        SparseProduct.Run(device.DefaultStream, 1, messages.TargetToEdges.Matrix, nodes.View, 0, ends.View);
        Assert.Equal([2, 1, 3, 2, 5, 4, 6, 5], ends.Read());
    }

    /// <summary>What a network says about a graph does not depend on the graphs beside it.</summary>
    [Theory]
    [InlineData(GraphAggregation.Sum)]
    [InlineData(GraphAggregation.Mean)]
    [InlineData(GraphAggregation.Max)]
    public void A_graph_in_a_batch_is_the_graph_alone(GraphAggregation aggregation)
    {
        using Device device = TestDevice.OpenDefault();
        using var batch = new GraphBatch(device.DefaultStream, _data, aggregation);
        var options = new GraphNetworkOptions
        {
            NodeFeatures = batch.NodeWidth,
            EdgeFeatures = batch.EdgeWidth,
            OutputWidth = 2,
            EmbeddingWidth = 8,
            HiddenWidths = [8],
            Blocks = 2,
            Aggregation = aggregation,
            Dropout = 0,
        };
        using var network = new Network(device, GraphNetwork.Build(options), new BernoulliLoss(), new PhiloxKey(1, 2));
        float[] together = Outputs(device, network, batch, [0, 1, 0]);
        float[] alone = [.. Outputs(device, network, batch, [0]), .. Outputs(device, network, batch, [1]), .. Outputs(device, network, batch, [0])];
        Assert.All(together.Zip(alone), static pair => Assert.Equal(pair.First, pair.Second, 1e-4f));
    }

    [Fact]
    public void Filling_and_a_step_allocate_nothing_once_the_largest_batch_was_seen()
    {
        using Device device = TestDevice.OpenDefault();
        GraphData data = MadeGraphs.Make(1);
        GraphNetworkWorkload workload = GraphNetworkWorkload.Tox21 with { Width = 8, Blocks = 2 };
        var problem = new GraphProblem(workload, data);
        using Network network = problem.CreateNetwork(device, 1);
        using MiniBatch batch = problem.CreateBatch(device.DefaultStream, 16);
        int[] examples = [.. Enumerable.Range(0, 320)];
        for (int warmUp = 0; warmUp < 2; warmUp++)
        {
            RunEpoch(network, batch, examples);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        RunEpoch(network, batch, examples);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void RunEpoch(Network network, MiniBatch batch, int[] examples)
    {
        for (int start = 0; start < examples.Length; start += 16)
        {
            batch.FillForTraining(examples.AsSpan(start, 16), default);
            batch.Forward(network);
            network.SetTargets(batch.Targets);
            network.Backward();
        }
    }

    private static float[] Outputs(Device device, Network network, GraphBatch batch, int[] graphs)
    {
        batch.Fill(graphs);
        return Read(device, network.Forward(
            batch.Nodes, TensorShape.Of(batch.Nodes.Rows, batch.NodeWidth), batch.NodeSegments, batch.Structure).Value);
    }

    private static float[] Read(Device device, MatrixView<float> matrix)
    {
        var values = new float[matrix.Rows * matrix.Columns];
        device.DefaultStream.Download(matrix, values);
        return values;
    }
}
