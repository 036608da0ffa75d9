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

    [Theory]
    [InlineData(PatchPooling.Mean, 10_922)]
    [InlineData(PatchPooling.ClassToken, 10_954)]
    public void A_vision_transformer_has_the_parameters_of_its_options(PatchPooling pooling, long parameters)
    {
        var options = new VisionTransformerOptions
        {
            Height = 8,
            ImageWidth = 12,
            Channels = 3,
            PatchSize = 4,
            Width = 16,
            Depth = 3,
            Heads = 2,
            Classes = 10,
            Pooling = pooling,
        };
        using var test = new TestNetwork(VisionTransformer.Build(options), new CrossEntropyLoss());
        Variable output = test.Forward(TensorShape.Of(2, 8, 12, 3));
        Assert.Equal(TensorShape.Of(2, 10), output.Shape);
        long expected = (49 * 16L) + (3 * ((16 * 17 * 4) + (64 * 17) + (16 * 65) + 64)) + (16 * 6) + 32 + 170 + (pooling == PatchPooling.ClassToken ? 32 : 0);
        Assert.Equal(parameters, expected);
        Assert.Equal(parameters, test.Network.Parameters.Values.Length);
    }

    [Fact]
    public void Presets_have_the_sizes_of_the_papers()
    {
        VisionTransformerOptions small = VisionTransformerOptions.Small16;
        small.Validate();
        Assert.Equal((196, 384, 12, 6), (small.Patches, small.Width, small.Depth, small.Heads));
        GenerativeTransformerOptions gpt = GenerativeTransformerOptions.Gpt2Small;
        gpt.Validate();
        long block = (4L * 768 * 769) + (3072L * 769) + (768L * 3073) + (4 * 768);
        Assert.Equal(124_439_808, (gpt.Vocabulary * 768L) + (gpt.Length * 768L) + (gpt.Depth * block) + (2 * 768));
        Assert.Throws<ArgumentException>(() => (small with { PatchSize = 15 }).Validate());
        Assert.Throws<ArgumentException>(() => (small with { Pooling = (PatchPooling)7 }).Validate());
        Assert.Throws<ArgumentException>(() => (gpt with { Depth = 0 }).Validate());
        Assert.Throws<ArgumentException>(() => GenerativeTransformer.Build(gpt with { Heads = 7 }));
    }

    private static ModelSummary Summary(Module root)
    {
        using Device device = TestDevice.OpenDefault();
        using var network = new Network(device, root, new CrossEntropyLoss(), default);
        return ModelSummary.Of(network);
    }
}
