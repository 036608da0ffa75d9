using KFac.Engine;
using KFac.Kernels;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Every layer: outputs and gradients against float64, and the captured rows against the gradients.</summary>
public class LayerGradientTests
{
    private static readonly double[,] _precision = { { 2, 0.5, 0.25 }, { 0.5, 1.5, -0.5 }, { 0.25, -0.5, 1 } };

    public static TheoryData<string> Cases => new(LayerCases.Names);

    public static TheoryData<string, string> CasesOnDevices => DeviceCases.Of(LayerCases.Names);

    public static TheoryData<string> CasesWithoutSharedLayers => new(LayerCases.Names.Where(name => name != "shared twice"));

    [SkippableTheory]
    [MemberData(nameof(CasesOnDevices))]
    public void Output_is_that_of_the_equations(string key, string name)
    {
        LayerCase layers = LayerCases.Make(name);
        using Device device = TestDevice.Open(key);
        using var test = new TestNetwork(layers.Root, new SquaredErrorLoss(), device: device);
        Variable output = layers.Run(test);
        double[] expected = layers.Forward(TestData.ToDouble(test.Parameters), TestData.ToDouble(test.Inputs));
        ErrorBound.AssertWithinAndSharp(test.Read(output.Value), expected, Tolerance(expected), name);
    }

    [SkippableTheory]
    [MemberData(nameof(CasesOnDevices))]
    public void Weight_gradients_are_finite_differences(string key, string name)
    {
        LayerCase layers = LayerCases.Make(name);
        using Device device = TestDevice.Open(key);
        using var test = new TestNetwork(layers.Root, LossFor(name), device: device);
        layers.Run(test);
        float[] targets = test.SetValueTargets();
        test.Network.Backward();

        double[] inputs = TestData.ToDouble(test.Inputs);
        double[] expected = FiniteDifference.Gradient(
            p => MeanLoss(name, layers.Forward(p, inputs), TestData.ToDouble(targets)), TestData.ToDouble(test.Parameters));
        ErrorBound.AssertWithinAndSharp(test.Gradients(), expected, Tolerance(expected), name);
    }

    /// <summary>∇W of the summed loss is GᵀA over what the layer hands over, for a single use of each layer; other parameters are left out.</summary>
    [Theory]
    [MemberData(nameof(CasesWithoutSharedLayers))]
    public void Captured_rows_make_the_weight_gradients(string name)
    {
        LayerCase layers = LayerCases.Make(name);
        using var test = new TestNetwork(layers.Root, LossFor(name));
        layers.Run(test);
        test.SetValueTargets();
        Capture inputs = test.CaptureInputs();
        Capture gradients = test.CaptureOutputGradients(CurvatureKind.Empirical);
        var training = new Capture(test);
        test.Network.Backward(training);
        double[] expected = Array.ConvertAll(LayerGradients(test), g => (double)g * test.Network.LossTerms);
        ErrorBound.AssertWithinAndSharp(OuterProducts(test.Network, inputs, gradients), expected, Tolerance(expected), name);
        ErrorBound.AssertWithinAndSharp(OuterProducts(test.Network, inputs, training), expected, Tolerance(expected), name);
        Assert.All(training.Deliveries, delivery => Assert.Equal(test.Network.LossTerms, delivery.Scale));
        Assert.All(gradients.Deliveries, delivery => Assert.Equal(1f, delivery.Scale));
    }

    /// <summary>∇W is the sum of Gᵀ[X, 1] over what a training sink is handed, for every use of a layer.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void A_training_sink_gets_the_rows_of_every_weight_gradient(string name)
    {
        LayerCase layers = LayerCases.Make(name);
        using var test = new TestNetwork(layers.Root, LossFor(name));
        layers.Run(test);
        test.SetValueTargets();
        var training = new TrainingCapture(test);
        test.Network.Backward(training);

        double[] expected = TestData.ToDouble(LayerGradients(test));
        ErrorBound.AssertWithinAndSharp(training.Gradients, expected, Tolerance(expected), name);
        Assert.Equal((1, 1), (training.Begun, training.Ended));
    }

    private static SquaredErrorLoss LossFor(string name) => Width(name) == 3 ? new SquaredErrorLoss(_precision) : new SquaredErrorLoss();

    private static int Width(string name) => name is "mean" or "sum" or "inverse root" or "attention" ? 2 : 3;

    private static double MeanLoss(string name, double[] outputs, double[] targets)
    {
        int width = Width(name);
        double[] precision = width == 3 ? [.. _precision.Cast<double>()] : [1, 0, 0, 1];
        double sum = 0;
        for (int i = 0; i < outputs.Length; i += width)
        {
            sum += LossFunctions.SquaredError(outputs.AsSpan(i, width), targets.AsSpan(i, width), precision);
        }

        return sum / (outputs.Length / width);
    }

    /// <summary>The gradients with zeros for parameters without Kronecker structure.</summary>
    private static float[] LayerGradients(TestNetwork test)
    {
        float[] gradients = test.Gradients();
        foreach (ParameterBlock block in test.Network.Parameters.Blocks.Where(static block => block.Layer < 0))
        {
            gradients.AsSpan(block.Offset, block.Rows * block.Columns).Clear();
        }

        return gradients;
    }

    private static float[] OuterProducts(Network network, Capture inputs, Capture gradients)
    {
        var result = new float[network.Parameters.Values.Length];
        foreach (ParameterBlock block in network.Parameters.Blocks.Where(static block => block.Layer >= 0))
        {
            KroneckerLayer layer = network.Layers[block.Layer];
            float[] a = inputs.RowsOf(block.Layer);
            float[] g = gradients.RowsOf(block.Layer);
            float scale = gradients.Deliveries.First(d => d.Layer == block.Layer).Scale;
            for (int row = 0; row < g.Length / layer.OutputWidth; row++)
            {
                for (int i = 0; i < block.Rows * block.Columns; i++)
                {
                    int column = i % block.Columns;
                    float input = column < layer.InputWidth ? a[(row * layer.InputWidth) + column] : 1f;
                    result[block.Offset + i] += scale * g[(row * layer.OutputWidth) + (i / block.Columns)] * input;
                }
            }
        }

        return result;
    }

    /// <summary>A path through these networks has at most 64 roundings on sums whose terms are no larger than a few times
    /// the largest result; finite differences leave far less.</summary>
    private static double[] Tolerance(double[] expected)
    {
        double largest = expected.Max(Math.Abs);
        var tolerance = new double[expected.Length];
        Array.Fill(tolerance, (4 * ErrorBound.Gamma(64) * largest) + (FiniteDifference.RelativeError * largest));
        return tolerance;
    }

    /// <summary>Adds up what it is handed.</summary>
    private sealed class TrainingCapture(TestNetwork test) : ITrainingSink
    {
        public float[] Gradients { get; } = new float[test.Network.Parameters.Gradients.Length];

        public int Begun { get; private set; }

        public int Ended { get; private set; }

        public void BeginPass(bool mayTake) => Begun++;

        public void EndPass(ParameterSet parameters)
        {
            Assert.Same(test.Network.Parameters, parameters);
            Ended++;
        }

        public bool WeightGradient(int layer, MatrixView<float> inputs, MatrixView<float> outputGradients)
        {
            float[] x = test.Read(inputs);
            float[] g = test.Read(outputGradients);
            ParameterBlock block = test.Network.Parameters.Blocks.Single(block => block.Layer == layer);
            for (int i = 0; i < inputs.Rows * block.Rows * block.Columns; i++)
            {
                (int n, int row, int column) = (i / (block.Rows * block.Columns), i / block.Columns % block.Rows, i % block.Columns);
                float input = column < inputs.Columns ? x[(n * inputs.Columns) + column] : 1;
                Gradients[block.Offset + (row * block.Columns) + column] += g[(n * block.Rows) + row] * input;
            }

            return false;
        }

        public void FormGradients(ParameterSet parameters) => throw new NotSupportedException();

        public void ScaleGradients(ParameterSet parameters, float factor) => throw new NotSupportedException();

        public void Inputs(int layer, in LayerRows rows) => throw new NotSupportedException();

        public void OutputGradients(int layer, in LayerRows rows)
        {
        }
    }
}
