using KFac.Engine;
using KFac.Reference;
using KFac.Testing;
using Xunit;
using ReferenceFactors = KFac.Reference.KroneckerFactors;

namespace KFac.Nn.Tests;

public class GraphConvolutionTests
{
    /// <summary>A = 1/M Σ (ĈX)(ĈX)ᵀ over all nodes, B = Σ ggᵀ over nodes with a label (equation 52), whichever side is narrower.</summary>
    [Theory]
    [InlineData("graph convolution", SharingApproximation.Expand)]
    [InlineData("narrow graph convolution", SharingApproximation.Expand)]
    [InlineData("narrow graph convolution", SharingApproximation.Reduce)]
    public void Factors_are_those_of_the_aggregated_input(string name, SharingApproximation approximation)
    {
        using TestNetwork test = Labelled(name, [0, -1, 2, -1, -1, 1], out LayerCase layers);
        using var factors = new KFac.Engine.KroneckerFactors(
            test.Stream.Device, test.Network, new FactorOptions { Kind = CurvatureKind.Empirical, Approximation = approximation });
        factors.Update(default);

        int width = layers.Input.Columns;
        double[,] adjacency = GraphFunctions.NormalizedAdjacency(6, GraphLayerCases.Edges);
        double[] aggregated = GraphFunctions.Multiply(adjacency, TestData.ToDouble(test.Inputs), width);
        var reference = new ReferenceFactors([0, 1, 2, 3, 4, 5, 6], IsRagged: false, Reduces: approximation == SharingApproximation.Reduce);
        AssertClose(test.Read(factors.Pairs[0].A), reference.Input(aggregated, width, hasBias: true));

        double[] outputs = layers.Forward(TestData.ToDouble(test.Parameters), TestData.ToDouble(test.Inputs));
        double[] gradients = [.. LossGradient(outputs, 0, 0), 0, 0, 0, .. LossGradient(outputs, 2, 2), 0, 0, 0, 0, 0, 0, .. LossGradient(outputs, 5, 1)];
        AssertClose(test.Read(factors.Pairs[0].B), reference.Output(gradients, 3, seeds: 1, scale: 1, samples: 1));
    }

    [Fact]
    public void A_mean_over_nodes_with_labels_ignores_the_others()
    {
        using TestNetwork test = Labelled("graph convolution", [0, -1, 2, -1, -1, 1], out LayerCase layers);
        double[] outputs = layers.Forward(TestData.ToDouble(test.Parameters), TestData.ToDouble(test.Inputs));
        double expected = (Loss(outputs, 0, 0) + Loss(outputs, 2, 2) + Loss(outputs, 5, 1)) / 3;
        Assert.Equal(3, test.Network.LossTerms);
        Assert.InRange(test.Network.MeanLoss(), expected - 1e-6, expected + 1e-6);

        test.Network.Backward();
        double[] inputs = TestData.ToDouble(test.Inputs);
        double[] gradient = FiniteDifference.Gradient(
            p =>
            {
                double[] z = layers.Forward(p, inputs);
                return (Loss(z, 0, 0) + Loss(z, 2, 2) + Loss(z, 5, 1)) / 3;
            },
            TestData.ToDouble(test.Parameters));
        AssertClose(test.Gradients(), gradient);
    }

    [Fact]
    public void Without_a_graph_or_with_another_the_layer_says_what_it_wants()
    {
        LayerCase layers = LayerCases.Make("graph convolution");
        using var test = new TestNetwork(layers.Root, new CrossEntropyLoss());
        string message = Assert.Throws<InvalidOperationException>(() => test.Forward(layers.Input)).Message;
        Assert.Contains("'c1' is given no normalised adjacency", message, StringComparison.Ordinal);
        message = Assert.Throws<ArgumentException>(
            () => test.Forward(TensorShape.Of(5, 2), graph: layers.GraphOf(test).Structure)).Message;
        Assert.Contains("wanted [6, 2]", message, StringComparison.Ordinal);
    }

    private static TestNetwork Labelled(string name, int[] labels, out LayerCase layers)
    {
        layers = LayerCases.Make(name);
        var test = new TestNetwork(layers.Root, new CrossEntropyLoss());
        layers.Run(test);
        Targets targets = Targets.FromLabels(test.Stream, test.Arena, labels, 3);
        test.Network.SetTargets(targets with { Terms = labels.Count(static label => label >= 0) });
        return test;
    }

    private static double Loss(double[] outputs, int row, int label) => LossFunctions.CrossEntropy(outputs.AsSpan(3 * row, 3), label);

    private static double[] LossGradient(double[] outputs, int row, int label)
    {
        double[] exponentials = [.. outputs.Skip(3 * row).Take(3).Select(Math.Exp)];
        return [.. exponentials.Select((e, i) => (e / exponentials.Sum()) - (i == label ? 1 : 0))];
    }

    private static void AssertClose(float[] actual, double[] expected)
    {
        double largest = expected.Max(Math.Abs);
        ErrorBound.AssertWithinAndSharp(
            actual, expected, Array.ConvertAll(expected, _ => (4 * ErrorBound.Gamma(64) + FiniteDifference.RelativeError) * largest), "graph convolution");
    }
}
