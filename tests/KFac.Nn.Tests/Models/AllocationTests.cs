using KFac.Engine;
using KFac.Kernels;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>A step like the one before leaves the managed heap alone, whatever the batch and the depth.</summary>
public class AllocationTests
{
    [Theory]
    [InlineData(10, 2)]
    [InlineData(1000, 2)]
    [InlineData(10, 20)]
    [InlineData(1000, 20)]
    public void A_training_step_with_capture_allocates_nothing(int batch, int layers)
    {
        Module root = MultiLayerPerceptron.Build(
            new MultiLayerPerceptronOptions { InputWidth = 8, HiddenWidths = [.. Enumerable.Repeat(16, layers - 1)], OutputWidth = 4 });
        using var test = new TestNetwork(root, new CrossEntropyLoss());
        test.Forward(TensorShape.Of(batch, 8));
        AssertStepAllocatesNothing(test, TensorShape.Of(batch, 8), Targets.FromLabels(test.Stream, test.Arena, new int[batch], 4));
    }

    [Theory]
    [MemberData(nameof(LayerGradientTests.Cases), MemberType = typeof(LayerGradientTests))]
    public void No_layer_allocates(string name)
    {
        LayerCase layers = LayerCases.Make(name);
        using var test = new TestNetwork(layers.Root, new SquaredErrorLoss());
        MatrixView<float> output = layers.Run(test).Value;
        Targets targets = Targets.FromValues(
            test.Stream, test.Arena, new float[output.Rows * output.Columns], output.Rows, output.Columns);
        AssertStepAllocatesNothing(test, layers.Input, targets, layers.GraphOf(test));
    }

    [Theory]
    [InlineData("bernoulli")]
    [InlineData("precision")]
    public void No_loss_allocates(string name)
    {
        using var losses = new LossCase(name, rows: 3);
        using var test = new TestNetwork(new Linear("a", 4, LossCase.Width), losses.Loss);
        Targets targets = Targets.FromValues(test.Stream, test.Arena, new float[3 * LossCase.Width], 3, LossCase.Width);
        AssertStepAllocatesNothing(test, TensorShape.Of(3, 4), targets);
    }

    private static void AssertStepAllocatesNothing(TestNetwork test, TensorShape shape, Targets targets, LayerGraph graph = default)
    {
        MatrixView<float> inputs = test.Arena.Matrix<float>(shape.Rows, shape.Columns);
        Elementwise.Fill(test.Stream, 0.5f, inputs);
        var sink = new EmptySink();
        for (int warmUp = 0; warmUp < 3; warmUp++)
        {
            Step(test.Network, inputs, shape, targets, graph, sink);
        }

        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int step = 0; step < 5; step++)
        {
            Step(test.Network, inputs, shape, targets, graph, sink);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    private static void Step(Network network, MatrixView<float> inputs, TensorShape shape, Targets targets, LayerGraph graph, EmptySink sink)
    {
        network.Forward(inputs, shape, graph.Segments, graph.Structure);
        network.SetTargets(targets);
        network.Backward(sink);
        network.CaptureInputs(sink);
        network.CaptureOutputGradients(CurvatureKind.Exact, 1, default, sink);
        network.CaptureOutputGradients(CurvatureKind.MonteCarlo, 2, default, sink);
        network.CaptureOutputGradients(CurvatureKind.Empirical, 1, default, sink);
        _ = network.MeanLoss();
    }

    private sealed class EmptySink : ICaptureSink
    {
        public void Inputs(int layer, in LayerRows rows)
        {
        }

        public void OutputGradients(int layer, in LayerRows rows)
        {
        }
    }
}
