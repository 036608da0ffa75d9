using KFac.Engine;
using KFac.Kernels;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public class CurvaturePassTests
{
    /// <summary>Σ_s vec(g_s aᵀ) vec(g_s aᵀ)ᵀ over the captured rows is Σ_n J_nᵀ H_n J_n, J from finite differences.</summary>
    [Fact]
    public void Exact_rows_make_the_GGN()
    {
        LayerCase layers = LayerCases.Make("tanh");
        using var test = new TestNetwork(layers.Root, new CrossEntropyLoss());
        layers.Run(test);
        test.SetLabelTargets();
        Capture inputs = test.CaptureInputs();
        Capture gradients = test.CaptureOutputGradients(CurvatureKind.Exact);
        for (int layer = 0; layer < 2; layer++)
        {
            double[] expected = ReferenceGgn(layers, test, layer);
            float[] actual = CapturedGgn(test, layer, inputs, gradients);
            double tolerance = ErrorBound.Gamma(128) * expected.Max(Math.Abs);
            ErrorBound.AssertWithinAndSharp(actual, expected, Array.ConvertAll(expected, _ => tolerance), $"layer {layer}");
        }
    }

    [Theory]
    [InlineData(CurvatureKind.Exact)]
    [InlineData(CurvatureKind.MonteCarlo)]
    public void Seeds_in_one_pass_are_the_seeds_of_separate_passes(CurvatureKind kind)
    {
        foreach (string name in LayerCases.Names)
        {
            using TestNetwork together = Prepared(name, seedMemory: 1 << 28);
            using TestNetwork apart = Prepared(name, seedMemory: 1);
            int total = kind == CurvatureKind.Exact ? together.Network.Output.Value.Columns : 5;
            Capture one = together.CaptureOutputGradients(kind, 5, new PhiloxKey(8, 9));
            Capture many = apart.CaptureOutputGradients(kind, 5, new PhiloxKey(8, 9));
            Assert.All(one.Deliveries, delivery => Assert.Equal(total, delivery.Seeds));
            Assert.All(many.Deliveries, delivery => Assert.Equal(1, delivery.Seeds));
            for (int layer = 0; layer < together.Network.Layers.Count && name != "shared twice"; layer++)
            {
                double[] expected = TestData.ToDouble(many.RowsOf(layer));
                double tolerance = ErrorBound.Gamma(32) * expected.Max(Math.Abs);
                ErrorBound.AssertWithin(one.RowsOf(layer), expected, Array.ConvertAll(expected, _ => tolerance), $"{name}, layer {layer}");
            }
        }
    }

    [Fact]
    public void A_pass_takes_no_more_seeds_than_sixteen()
    {
        using var test = new TestNetwork(new Linear("a", 3, 40), new SquaredErrorLoss());
        test.Forward(TensorShape.Of(2, 3));
        test.SetValueTargets();
        Capture capture = test.CaptureOutputGradients(CurvatureKind.Exact);
        Assert.Equal([16, 16, 8], capture.Deliveries.Select(delivery => delivery.Seeds));
    }

    [Theory]
    [InlineData(CurvatureKind.Exact)]
    [InlineData(CurvatureKind.MonteCarlo)]
    [InlineData(CurvatureKind.Empirical)]
    public void Weight_gradients_stay_untouched(CurvatureKind kind)
    {
        using TestNetwork test = Prepared("residual attention");
        VectorView<float> gradients = test.Network.Parameters.Gradients;
        Elementwise.Fill(test.Stream, float.NaN, gradients.AsMatrix(1, gradients.Length));
        Capture capture = test.CaptureOutputGradients(kind, 2);
        Assert.All(test.Gradients(), gradient => Assert.True(float.IsNaN(gradient)));
        Assert.All(capture.Deliveries, delivery => Assert.DoesNotContain(float.NaN, delivery.Values));
    }

    [Fact]
    public void Forward_only_runs_no_pass_and_needs_no_targets()
    {
        using var test = new TestNetwork(new Linear("a", 3, 2), new SquaredErrorLoss());
        test.Forward(TensorShape.Of(2, 3));
        Assert.Empty(test.CaptureOutputGradients(CurvatureKind.ForwardOnly).Deliveries);
        Assert.Throws<InvalidOperationException>(() => test.CaptureOutputGradients(CurvatureKind.Exact));
    }

    [Fact]
    public void Passes_may_be_repeated_and_leave_the_training_gradient_alone()
    {
        using TestNetwork test = Prepared("residual");
        test.Network.Backward();
        float[] before = test.Gradients();
        float[] first = test.CaptureOutputGradients(CurvatureKind.Exact).RowsOf(0);
        Assert.Equal(first, test.CaptureOutputGradients(CurvatureKind.Exact).RowsOf(0));
        test.Network.Backward();
        Assert.Equal(before, test.Gradients());
    }

    [Fact]
    public void A_layer_used_twice_hands_over_twice()
    {
        using TestNetwork test = Prepared("shared twice");
        Assert.Equal([0, 0], test.CaptureInputs().Deliveries.Select(delivery => delivery.Layer));
        Assert.Equal([0, 0], test.CaptureOutputGradients(CurvatureKind.Empirical).Deliveries.Select(delivery => delivery.Layer));
    }

    [Fact]
    public void Rows_say_how_they_are_shared()
    {
        using TestNetwork test = Prepared("mean");
        Capture inputs = test.CaptureInputs();
        Assert.Equal([(3, 6, 1, 1f), (3, 1, 1, 1f)], inputs.Deliveries.Select(d => (d.Examples, d.Sharing, d.Seeds, d.Scale)));
        Capture gradients = test.CaptureOutputGradients(CurvatureKind.Exact);
        Assert.Equal([(1, 3, 1, 2), (0, 3, 6, 2)], gradients.Deliveries.Select(d => (d.Layer, d.Examples, d.Sharing, d.Seeds)));
    }

    [Fact]
    public void Ragged_rows_pass_through_and_are_handed_over_with_their_segments()
    {
        LayerCase layers = LayerCases.Make("tanh");
        using var test = new TestNetwork(layers.Root, new SquaredErrorLoss());
        SegmentOffsets segments = SegmentOffsets.FromOffsets(test.Stream, test.Arena, [0, 2, 2, 6]);
        Variable output = test.Forward(layers.Input, segments);
        test.SetValueTargets();
        Assert.Same(segments, output.Segments);
        Assert.Equal(SharingApproximation.Expand, test.Network.LossSetting);
        Assert.Equal(6, test.Network.LossTerms);
        Assert.All(
            test.CaptureInputs().Deliveries.Concat(test.CaptureOutputGradients(CurvatureKind.Exact).Deliveries),
            delivery => Assert.Equal((3, 0, segments), (delivery.Examples, delivery.Sharing, delivery.Segments)));
    }

    /// <summary>Weight gradients are finite differences; column s of the exact root is e_s, spread over each example's rows.</summary>
    [Fact]
    public void A_ragged_aggregation_hands_gradients_to_the_rows_of_each_example()
    {
        int[] offsets = [0, 2, 2, 6];
        using var test = new TestNetwork(
            new Sequential(new Linear("a", 4, 3, bias: false), new MeanOverSharing(SharingScale.InverseSquareRoot)), new SquaredErrorLoss());
        test.Forward(TensorShape.Of(6, 4), SegmentOffsets.FromOffsets(test.Stream, test.Arena, offsets));
        double[] targets = TestData.ToDouble(test.SetValueTargets());
        Assert.Equal(SharingApproximation.Reduce, test.Network.LossSetting);
        test.Network.Backward();

        double[] inputs = TestData.ToDouble(test.Inputs);
        double[] expected = FiniteDifference.Gradient(Loss, TestData.ToDouble(test.Parameters));
        double tolerance = ErrorBound.Gamma(64) * expected.Max(Math.Abs);
        ErrorBound.AssertWithinAndSharp(test.Gradients(), expected, Array.ConvertAll(expected, _ => tolerance), "weights");

        Capture exact = test.CaptureOutputGradients(CurvatureKind.Exact);
        double[] seeds = [.. Enumerable.Range(0, 3).SelectMany(s => SegmentReduceReference.Spread(
            [.. Enumerable.Range(0, 9).Select(i => i % 3 == s ? 1.0 : 0)], 3, offsets, ReferenceScale.InverseSquareRoot))];
        ErrorBound.AssertWithin(exact.RowsOf(0), seeds, Array.ConvertAll(seeds, _ => ErrorBound.Gamma(4)), "seeds");

        double Loss(double[] p)
        {
            double[] rows = NetworkFunctions.Linear(inputs, 4, p, 3, bias: false);
            double[] outputs = SegmentReduceReference.Reduce(rows, 3, offsets, ReferenceScale.InverseSquareRoot);
            return outputs.Zip(targets, (f, y) => (f - y) * (f - y)).Sum() / 2 / 3;
        }
    }

    private static TestNetwork Prepared(string name, long seedMemory = 1 << 28)
    {
        LayerCase layers = LayerCases.Make(name);
        var test = new TestNetwork(layers.Root, new SquaredErrorLoss(), seedMemory: seedMemory);
        layers.Run(test);
        test.SetValueTargets();
        return test;
    }

    private static double[] ReferenceGgn(LayerCase layers, TestNetwork test, int layer)
    {
        ParameterBlock block = test.Network.Parameters.Blocks[layer];
        int size = block.Rows * block.Columns;
        double[] inputs = TestData.ToDouble(test.Inputs);
        double[] parameters = TestData.ToDouble(test.Parameters);
        double[] outputs = layers.Forward(parameters, inputs);
        double[] jacobian = NumericalJacobian.Of(p => layers.Forward(p, inputs), parameters);
        var ggn = new double[size * size];
        for (int row = 0; row < outputs.Length / 3; row++)
        {
            double[] hessian = LossFunctions.CrossEntropyHessian(outputs.AsSpan(row * 3, 3));
            for (int i = 0; i < ggn.Length * 9; i++)
            {
                (int element, int c, int d) = (i / 9, i / 3 % 3, i % 3);
                int left = (((row * 3) + c) * parameters.Length) + block.Offset + (element / size);
                int right = (((row * 3) + d) * parameters.Length) + block.Offset + (element % size);
                ggn[element] += jacobian[left] * hessian[(c * 3) + d] * jacobian[right];
            }
        }

        return ggn;
    }

    private static float[] CapturedGgn(TestNetwork test, int layer, Capture inputs, Capture gradients)
    {
        KroneckerLayer shape = test.Network.Layers[layer];
        float[] a = inputs.RowsOf(layer);
        float[] g = gradients.RowsOf(layer);
        int rows = a.Length / shape.InputWidth;
        int width = shape.FactorInputWidth;
        int size = shape.OutputWidth * width;
        var ggn = new double[size * size];
        for (int seedRow = 0; seedRow < g.Length / shape.OutputWidth; seedRow++)
        {
            int row = seedRow % rows;
            double Element(int i) => g[(seedRow * shape.OutputWidth) + (i / width)]
                * (i % width < shape.InputWidth ? (double)a[(row * shape.InputWidth) + (i % width)] : 1);
            for (int i = 0; i < ggn.Length; i++)
            {
                ggn[i] += Element(i / size) * Element(i % size);
            }
        }

        return Array.ConvertAll(ggn, value => (float)value);
    }
}
