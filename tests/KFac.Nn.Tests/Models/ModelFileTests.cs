using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Every model's weights go to a file and come back, under PyTorch's names and shapes.</summary>
public sealed class ModelFileTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    public static TheoryData<string> Models => new(
        "deep linear", "perceptron", "autoencoder", "simple", "vgg", "resnet8", "resnet32", "wrn fixup", "wrn18", "vit", "vit class token", "gpt", "gpt untied",
        "encoder-decoder", "self-attention", "graph convolution", "graph network", "grouped", "grouped, normalised");

    public void Dispose() => _directory.Dispose();

    [Theory]
    [MemberData(nameof(Models))]
    public void Weights_and_state_come_back(string name)
    {
        using Device device = TestDevice.OpenDefault();
        using var first = new Network(device, Build(name), new CrossEntropyLoss(), new PhiloxKey(1, 2));
        string path = Path.Combine(_directory.Path, "first.safetensors");
        first.SaveParameters(path);
        SafetensorsTensor[] tensors = [.. Safetensors.Read(path).Select((tensor, i) => tensor with { Values = TestData.Uniform(tensor.Values.Length, (ulong)i) })];
        Assert.True(tensors.Sum(static tensor => tensor.Values.Length) >= first.Parameters.Values.Length);
        string edited = Path.Combine(_directory.Path, "edited.safetensors");
        Safetensors.Write(edited, tensors);

        first.LoadParameters(edited);
        first.SaveParameters(path);
        Assert.Equal(File.ReadAllBytes(edited), File.ReadAllBytes(path));
        using var second = new Network(device, Build(name), new CrossEntropyLoss(), new PhiloxKey(3, 4));
        second.LoadParameters(path);
        Assert.Equal(Values(device, first), Values(device, second));
    }

    [Theory]
    [InlineData("resnet8", "stem.weight", new[] { 4, 3, 3, 3 })]
    [InlineData("resnet8", "stem.norm.weight", new[] { 4 })]
    [InlineData("resnet8", "stem.norm.running_mean", new[] { 4 })]
    [InlineData("resnet8", "stem.norm.running_var", new[] { 4 })]
    [InlineData("vit", "block1.norm1.weight", new[] { 8 })]
    [InlineData("vit", "block1.attention.query.weight", new[] { 8, 8 })]
    [InlineData("gpt", "tokens.weight", new[] { 11, 8 })]
    [InlineData("graph convolution", "layer1.weight", new[] { 3, 5 })]
    [InlineData("grouped", "c.weight", new[] { 6, 2, 3, 3 })]
    [InlineData("grouped", "c.bias", new[] { 6 })]
    [InlineData("grouped, normalised", "c.weight_g", new[] { 6, 1, 1, 1 })]
    [InlineData("grouped, normalised", "c.weight_v", new[] { 6, 2, 3, 3 })]
    public void Names_and_shapes_are_those_of_PyTorch(string name, string tensor, int[] shape)
    {
        using Device device = TestDevice.OpenDefault();
        using var network = new Network(device, Build(name), new CrossEntropyLoss(), default);
        string path = Path.Combine(_directory.Path, "w.safetensors");
        network.SaveParameters(path);
        Assert.Equal(shape, Safetensors.Read(path).Single(each => each.Name == tensor).Shape);
    }

    /// <summary>The groups' weights are rows of one: those of the second group follow the first's.</summary>
    [Fact]
    public void Groups_of_a_convolution_are_stacked()
    {
        using var test = new TestNetwork(Build("grouped"), new SquaredErrorLoss());
        string path = Path.Combine(_directory.Path, "w.safetensors");
        test.Network.SaveParameters(path);
        SafetensorsTensor weight = Safetensors.Read(path).Single(static tensor => tensor.Name == "c.weight");
        Assert.Equal(test.Parameters[0], weight.Values.Span[0]);
        Assert.Equal(test.Parameters[3 * 19], weight.Values.Span[3 * 18]);
        Assert.Equal(test.Parameters[18], Safetensors.Read(path).Single(static tensor => tensor.Name == "c.bias").Values.Span[0]);
    }

    /// <summary>PyTorch flattens images plane by plane, the network pixel by pixel.</summary>
    [Fact]
    public void Columns_behind_images_are_ordered_as_PyTorch_flattens()
    {
        using var test = new TestNetwork(Build("simple"), new SquaredErrorLoss());
        string path = Path.Combine(_directory.Path, "w.safetensors");
        test.Network.SaveParameters(path);
        SafetensorsTensor hidden = Safetensors.Read(path).Single(static tensor => tensor.Name == "hidden.weight");
        int offset = test.Network.Parameters.Blocks.Single(static block => block.Name == "hidden.weight").Offset;
        const int Height = 2, Width = 2, Channels = 5;
        foreach ((int row, int y, int x, int channel) in (ReadOnlySpan<(int, int, int, int)>)[(0, 0, 0, 3), (6, 1, 0, 2), (3, 0, 1, 4)])
        {
            float own = test.Parameters[offset + (row * 21) + (((y * Width) + x) * Channels) + channel];
            Assert.Equal(own, hidden.Values.Span[(row * 20) + (((channel * Height) + y) * Width) + x]);
        }

        Assert.Throws<ArgumentException>(() => new Linear("a", 20, 3) { FlattenedImage = new ImageSize(2, 2, 4) });
    }

    [Theory]
    [InlineData("stem.weight", new[] { 4, 27 }, null)]
    [InlineData("stem.weight", new[] { 4, 9, 3 }, "tensor 'stem.weight' has shape [4, 9, 3]; wanted [4, 3, 3, 3]")]
    [InlineData("stem.weight", new[] { 3, 4, 3, 3 }, "tensor 'stem.weight' has shape [3, 4, 3, 3]; wanted [4, 3, 3, 3]")]
    [InlineData("stem.norm.running_var", new[] { 5 }, "tensor 'stem.norm.running_var' has shape [5]; wanted [4]")]
    [InlineData("stem.norm.num_batches_tracked", new int[0], null)]
    [InlineData("other", new int[0], "holds 'other', which the network lacks")]
    public void Shapes_are_checked(string name, int[] shape, string? problem)
    {
        using Device device = TestDevice.OpenDefault();
        using var network = new Network(device, Build("resnet8"), new CrossEntropyLoss(), default);
        string path = Path.Combine(_directory.Path, "w.safetensors");
        network.SaveParameters(path);
        int length = shape.Aggregate(1, static (product, size) => product * size);
        Safetensors.Write(path, [.. Safetensors.Read(path).Where(tensor => tensor.Name != name), new SafetensorsTensor(name, shape, new float[length])]);
        if (problem is null)
        {
            network.LoadParameters(path);
            return;
        }

        string message = Assert.Throws<InvalidDataException>(() => network.LoadParameters(path)).Message;
        Assert.Contains(problem, message, StringComparison.Ordinal);
        Assert.Contains(path, message, StringComparison.Ordinal);
    }

    private static float[] Values(Device device, Network network)
    {
        var values = new float[network.Parameters.Values.Length];
        device.DefaultStream.Download(network.Parameters.Values, values);
        return values;
    }

    private static Module Build(string name)
    {
        var image = new ImageSize(8, 8, 3);
        var vit = new VisionTransformerOptions
        {
            Height = 8,
            ImageWidth = 8,
            Channels = 3,
            PatchSize = 4,
            Width = 8,
            Depth = 1,
            Heads = 2,
            Classes = 3,
        };
        var gpt = new GenerativeTransformerOptions { Vocabulary = 11, Length = 6, Width = 8, Depth = 1, Heads = 2 };
        var grouped = new Conv2dOptions { InputChannels = 4, OutputChannels = 6, Groups = 2 };
        return name switch
        {
            "deep linear" => DeepLinearNetwork.Build(new DeepLinearNetworkOptions { Widths = [4, 3, 2] }),
            "perceptron" => MultiLayerPerceptron.Build(new MultiLayerPerceptronOptions { InputWidth = 4, HiddenWidths = [5], OutputWidth = 3 }),
            "autoencoder" => Autoencoder.Build(new AutoencoderOptions { EncoderWidths = [6, 4, 2] }),
            "simple" => SimpleConvolutionalNetwork.Build(new SimpleConvolutionalNetworkOptions { Image = image, Channels = [4, 5], HiddenWidth = 7, Classes = 3 }),
            "vgg" => Vgg.Build(new VggOptions { Image = image, Stages = [[3], [4]], BatchNormalization = true, WeightNormalization = WeightNormalization.Unit, Classes = 3 }),
            "resnet8" => ResidualNetwork.Build(Small(ResidualNetworkOptions.ResNet(image, 3, blocks: 1))),
            "resnet32" => ResidualNetwork.Build(
                Small(ResidualNetworkOptions.ResNet(image, 3, blocks: 5, ghostBatch: 4)) with { WeightNormalization = WeightNormalization.Learned }),
            "wrn fixup" => ResidualNetwork.Build(Small(ResidualNetworkOptions.WideResNet(image, 3, blocks: 2, width: 1))),
            "wrn18" => ResidualNetwork.Build(Small(ResidualNetworkOptions.WideResNet18(image, 3, width: 1))),
            "vit" => VisionTransformer.Build(vit),
            "vit class token" => VisionTransformer.Build(vit with { Pooling = PatchPooling.ClassToken }),
            "gpt" => GenerativeTransformer.Build(gpt),
            "gpt untied" => GenerativeTransformer.Build(gpt with { TieWeights = false, Bias = false }),
            "encoder-decoder" => EncoderDecoderTransformer.Build(
                new EncoderDecoderTransformerOptions { Vocabulary = 7, Length = 5, Width = 8, HiddenWidth = 9, Heads = 2, Depth = 1 }),
            "self-attention" => new SimplifiedSelfAttention("a", 4, 2, 3),
            "graph convolution" => GraphConvolutionNetwork.Build(new GraphConvolutionNetworkOptions { InputWidth = 5, HiddenWidths = [3], OutputWidth = 2 }),
            "graph network" => GraphNetwork.Build(
                new GraphNetworkOptions { NodeFeatures = 3, EdgeFeatures = 2, OutputWidth = 2, EmbeddingWidth = 4, HiddenWidths = [5], Blocks = 1 }),
            "grouped" => new Conv2d("c", grouped),
            _ => new Conv2d("c", grouped with { Normalization = WeightNormalization.Learned }),
        };
    }

    private static ResidualNetworkOptions Small(ResidualNetworkOptions options) => options with
    {
        StemChannels = 4,
        Stages = [.. options.Stages.Select(static (stage, i) => stage with { Channels = 4 + i })],
    };
}
