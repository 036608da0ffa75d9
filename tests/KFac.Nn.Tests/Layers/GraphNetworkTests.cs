using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;
using ReferenceFactors = KFac.Reference.KroneckerFactors;

namespace KFac.Nn.Tests;

public class GraphNetworkTests
{
    /// <summary>Ragged expand and reduce on nodes and edges, plain factors on globals; a graph without edges or nodes contributes zero.</summary>
    [Theory]
    [InlineData(SharingApproximation.Expand)]
    [InlineData(SharingApproximation.Reduce)]
    public void Factors_are_ragged_on_nodes_and_edges(SharingApproximation approximation)
    {
        LayerCase layers = LayerCases.Make("graph network sum");
        using var test = new TestNetwork(layers.Root, new SquaredErrorLoss());
        layers.Run(test);
        test.SetValueTargets();
        Capture inputs = test.CaptureInputs();
        Capture gradients = test.CaptureOutputGradients(CurvatureKind.Empirical);
        using var factors = new KFac.Engine.KroneckerFactors(
            test.Stream.Device, test.Network, new FactorOptions { Kind = CurvatureKind.Empirical, Approximation = approximation });
        factors.Update(default);
        Assert.Equal(SharingApproximation.Reduce, test.Network.LossSetting);
        for (int i = 0; i < test.Network.Layers.Count; i++)
        {
            KroneckerLayer layer = test.Network.Layers[i];
            ReferenceFactors reference = Reference(layer.Name, approximation == SharingApproximation.Reduce);
            double[] a = reference.Input(TestData.ToDouble(inputs.RowsOf(i)), layer.InputWidth, layer.HasBias);
            double[] b = reference.Output(TestData.ToDouble(gradients.RowsOf(i)), layer.OutputWidth, seeds: 1, scale: 1, samples: 1);
            AssertClose(test.Read(factors.Pairs[i].A), a, $"A of {layer.Name}");
            AssertClose(test.Read(factors.Pairs[i].B), b, $"B of {layer.Name}");
        }
    }

    [Fact]
    public void Layers_are_named_by_block_and_part()
    {
        LayerCase layers = LayerCases.Make("graph network of two layers");
        using var test = new TestNetwork(layers.Root, new SquaredErrorLoss());
        Assert.Equal(
            ["nodes.embedding", "edges.embedding", "block1.edges.linear1", "block1.edges.linear2", "block1.nodes.linear1"],
            test.Network.Layers.Take(5).Select(static layer => layer.Name));
        Assert.Equal("decoder", test.Network.Layers[^1].Name);
    }

    /// <summary>Weights of another implementation of AlgoPerf's model fit where its globals are not zeros: 5 blocks at 256.</summary>
    [Fact]
    public void The_default_widths_are_those_of_the_benchmark()
    {
        Module root = GraphNetwork.Build(new GraphNetworkOptions { NodeFeatures = 9, EdgeFeatures = 3, OutputWidth = 128 });
        using var test = new TestNetwork(root, new BernoulliLoss());
        KroneckerLayer edges = test.Network.Layers.Single(static layer => layer.Name == "block5.edges.linear1");
        KroneckerLayer globals = test.Network.Layers.Single(static layer => layer.Name == "block5.globals.linear1");
        Assert.Equal((1024, 256, 768), (edges.InputWidth, edges.OutputWidth, globals.InputWidth));
        Assert.Equal(2 + (5 * 3) + 1, test.Network.Layers.Count);
    }

    [Fact]
    public void A_wrong_graph_is_refused()
    {
        LayerCase sum = LayerCases.Make("graph network sum");
        LayerCase mean = LayerCases.Make("graph network mean");
        using var test = new TestNetwork(sum.Root, new SquaredErrorLoss());
        Assert.Contains(
            "is given no edges", Assert.Throws<InvalidOperationException>(() => test.Forward(sum.Input)).Message, StringComparison.Ordinal);
        LayerGraph graph = mean.GraphOf(test);
        Assert.Contains(
            "given edges that aggregate by Mean",
            Assert.Throws<ArgumentException>(() => test.Forward(sum.Input, graph.Segments, graph: graph.Structure)).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "not segmented",
            Assert.Throws<ArgumentException>(() => test.Forward(sum.Input, graph: sum.GraphOf(test).Structure)).Message,
            StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => GraphNetwork.Build(
            new GraphNetworkOptions { NodeFeatures = 9, EdgeFeatures = 3, OutputWidth = 1, Blocks = 0 }));
    }

    [Theory]
    [InlineData(new[] { 0, 2 }, new[] { 0, 1 }, new[] { 0 }, new[] { 2 }, "column index of entry 0 is 2; wanted 0 to 1")]
    [InlineData(new[] { 0, 2 }, new[] { 0, 1, 1 }, new[] { 0 }, new[] { 1 }, "do not belong together")]
    [InlineData(new[] { 0, 2 }, new[] { 0, 2 }, new[] { 0 }, new[] { 1 }, "do not belong together")]
    public void Edges_that_do_not_fit_are_refused(int[] nodes, int[] edges, int[] sources, int[] targets, string message)
    {
        using Device device = TestDevice.OpenDefault();
        using var arena = new Arena(device);
        var graph = new MessageGraph(GraphAggregation.Sum);
        Assert.Contains(
            message,
            Assert.Throws<ArgumentException>(
                () => graph.Fill(device.DefaultStream, arena, nodes, edges, sources, targets, arena.Matrix<float>(1, 1))).Message,
            StringComparison.Ordinal);
    }

    private static ReferenceFactors Reference(string layer, bool reduces)
    {
        if (layer.Contains("nodes", StringComparison.Ordinal))
        {
            return new(GraphLayerCases.FourGraphs.NodeOffsets, IsRagged: true, reduces);
        }

        return layer.Contains("edges", StringComparison.Ordinal)
            ? new(GraphLayerCases.FourGraphs.EdgeOffsets, IsRagged: true, reduces)
            : new([0, 1, 2, 3, 4], IsRagged: false, reduces);
    }

    private static void AssertClose(float[] actual, double[] expected, string name)
    {
        double largest = expected.Max(Math.Abs);
        ErrorBound.AssertWithinAndSharp(actual, expected, Array.ConvertAll(expected, _ => ErrorBound.Gamma(64) * largest), name);
    }
}
