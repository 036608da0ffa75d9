using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public class ModelBuilderTests
{
    [Fact]
    public void The_summary_counts_parameters_and_factor_sizes()
    {
        ModelSummary summary = Summary(MultiLayerPerceptron.Build(
            new MultiLayerPerceptronOptions { InputWidth = 784, HiddenWidths = [100, 50], OutputWidth = 10, Bias = false }));
        Assert.Equal(78_400 + 5_000 + 500, summary.Parameters);
        Assert.Equal(["layer1", "layer2", "layer3"], summary.Layers.Select(layer => layer.Name));
        Assert.Equal((100, 50), (summary.Layers[1].InputFactorSize, summary.Layers[1].OutputFactorSize));
    }

    [Fact]
    public void The_default_autoencoder_is_the_one_of_the_literature()
    {
        ModelSummary summary = Summary(Autoencoder.Build(new AutoencoderOptions()));
        Assert.Equal(2_837_314, summary.Parameters);
        Assert.Equal([784, 1000, 500, 250, 30, 250, 500, 1000], summary.Layers.Select(layer => layer.InputWidth));
        Assert.Equal(785, summary.Layers[0].InputFactorSize);
        Assert.Equal("decoder4", summary.Layers[^1].Name);
    }

    /// <summary>The only tanh-free path is through the code and the outputs: halving the input must halve neither.</summary>
    [Fact]
    public void The_code_of_an_autoencoder_is_linear()
    {
        var options = new AutoencoderOptions { EncoderWidths = [6, 2] };
        using var test = new TestNetwork(Autoencoder.Build(options), new BernoulliLoss());
        float[] full = test.Read(test.Forward(TensorShape.Of(1, 6)).Value);
        double[] parameters = TestData.ToDouble(test.Parameters);
        double[] code = Reference.NetworkFunctions.Linear(TestData.ToDouble(test.Inputs), 6, parameters.AsSpan(0, 14), 2, bias: true);
        double[] expected = Reference.NetworkFunctions.Linear(code, 2, parameters.AsSpan(14), 6, bias: true);
        ErrorBound.AssertWithinAndSharp(full, expected, Array.ConvertAll(expected, _ => ErrorBound.Gamma(16) * 4), "code");
    }

    [Fact]
    public void A_deep_linear_network_may_aggregate()
    {
        Module root = DeepLinearNetwork.Build(
            new DeepLinearNetworkOptions { Widths = [4, 3, 2], Aggregation = SharingScale.Mean });
        using var test = new TestNetwork(root, new SquaredErrorLoss());
        Assert.Equal(TensorShape.Of(5, 2), test.Forward(TensorShape.Of(5, 7, 4)).Shape);
    }

    [Fact]
    public void Impossible_options_are_refused()
    {
        Assert.Throws<ArgumentException>(() => new DeepLinearNetworkOptions { Widths = [3] }.Validate());
        Assert.Throws<ArgumentException>(() => new AutoencoderOptions { EncoderWidths = [3, 0] }.Validate());
        Assert.Throws<ArgumentException>(
            () => new MultiLayerPerceptronOptions { InputWidth = 0, HiddenWidths = [], OutputWidth = 1 }.Validate());
        Assert.Throws<ArgumentException>(() => new Linear("a", 0, 1));
        Assert.Throws<ArgumentException>(() => new Linear(" ", 1, 1));
    }

    private static ModelSummary Summary(Module root)
    {
        using Device device = TestDevice.OpenDefault();
        using var network = new Network(device, root, new CrossEntropyLoss(), default);
        return ModelSummary.Of(network);
    }
}
