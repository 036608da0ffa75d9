using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Files as other libraries lay the same models out give the weights that a file with the own names gives.</summary>
public sealed class ForeignLayoutTests : IDisposable
{
    private const int Width = 4;

    private readonly TemporaryDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Theory]
    [InlineData("nanoGPT", "transformer.", false)]
    [InlineData("Hugging Face", "", true)]
    [InlineData("Hugging Face with a head", "transformer.", true)]
    public void Gpt2_is_read_as_others_write_it(string library, string prefix, bool transposed)
    {
        var options = new GenerativeTransformerOptions { Vocabulary = 7, Length = 5, Width = Width, Depth = 2, Heads = 2 };
        (float[] expected, SafetensorsTensor[] own) = Reference(GenerativeTransformer.Build(options));
        var theirs = new List<SafetensorsTensor>
        {
            Named(own, "tokens.weight", prefix + "wte.weight"),
            Named(own, "positions", prefix + "wpe.weight"),
            Named(own, "norm.weight", prefix + "ln_f.weight"),
            Named(own, "norm.bias", prefix + "ln_f.bias"),
        };
        for (int i = 0; i < 2; i++)
        {
            string block = $"block{i + 1}";
            string layer = $"{prefix}h.{i}";
            foreach (string part in (string[])["weight", "bias"])
            {
                bool turns = transposed && part == "weight";
                theirs.Add(Named(own, $"{block}.norm1.{part}", $"{layer}.ln_1.{part}"));
                theirs.Add(Named(own, $"{block}.norm2.{part}", $"{layer}.ln_2.{part}"));
                theirs.Add(Turned(Stacked(own, $"{block}.attention", part, $"{layer}.attn.c_attn.{part}"), turns));
                theirs.Add(Turned(Named(own, $"{block}.attention.output.{part}", $"{layer}.attn.c_proj.{part}"), turns));
                theirs.Add(Turned(Named(own, $"{block}.hidden.{part}", $"{layer}.mlp.c_fc.{part}"), turns));
                theirs.Add(Turned(Named(own, $"{block}.projection.{part}", $"{layer}.mlp.c_proj.{part}"), turns));
            }

            theirs.Add(new SafetensorsTensor($"{layer}.attn.bias", [1, 1, 5, 5], new float[25]));
        }

        if (library != "Hugging Face")
        {
            theirs.Add(Named(own, "tokens.weight", "lm_head.weight"));
        }

        Assert.Equal(expected, Load(GenerativeTransformer.Build(options), theirs));
    }

    [Fact]
    public void A_vision_transformer_is_read_as_timm_writes_it()
    {
        var options = new VisionTransformerOptions
        {
            Height = 4,
            ImageWidth = 4,
            Channels = 3,
            PatchSize = 2,
            Width = Width,
            Depth = 1,
            Heads = 2,
            Classes = 3,
            Pooling = PatchPooling.ClassToken,
        };
        (float[] expected, SafetensorsTensor[] own) = Reference(VisionTransformer.Build(options));
        var theirs = new List<SafetensorsTensor>
        {
            Named(own, "token", "cls_token") with { Shape = [1, 1, Width] },
            Named(own, "positions", "pos_embed") with { Shape = [1, 5, Width] },
            Named(own, "patches.weight", "patch_embed.proj.weight") with { Shape = [Width, 3, 2, 2] },
            Named(own, "patches.bias", "patch_embed.proj.bias"),
        };
        foreach (string part in (string[])["weight", "bias"])
        {
            theirs.Add(Named(own, $"norm.{part}", $"norm.{part}"));
            theirs.Add(Named(own, $"head.{part}", $"head.{part}"));
            theirs.Add(Named(own, $"block1.norm1.{part}", $"blocks.0.norm1.{part}"));
            theirs.Add(Named(own, $"block1.norm2.{part}", $"blocks.0.norm2.{part}"));
            theirs.Add(Stacked(own, "block1.attention", part, $"blocks.0.attn.qkv.{part}"));
            theirs.Add(Named(own, $"block1.attention.output.{part}", $"blocks.0.attn.proj.{part}"));
            theirs.Add(Named(own, $"block1.hidden.{part}", $"blocks.0.mlp.fc1.{part}"));
            theirs.Add(Named(own, $"block1.projection.{part}", $"blocks.0.mlp.fc2.{part}"));
        }

        Assert.Equal(expected, Load(VisionTransformer.Build(options), theirs));
    }

    [Fact]
    public void Parametrised_weight_normalisation_is_read()
    {
        var layer = new Linear("a", 3, 2) { Normalization = WeightNormalization.Learned };
        (float[] expected, SafetensorsTensor[] own) = Reference(layer);
        SafetensorsTensor[] theirs =
        [
            Named(own, "a.bias", "a.bias"),
            Named(own, "a.weight_g", "a.parametrizations.weight.original0"),
            Named(own, "a.weight_v", "a.parametrizations.weight.original1"),
        ];
        Assert.Equal([2, 1], theirs[1].Shape);
        Assert.Equal(expected, Load(new Linear("a", 3, 2) { Normalization = WeightNormalization.Learned }, theirs));
    }

    [Fact]
    public void What_cannot_be_split_or_belongs_nowhere_is_named()
    {
        var options = new GenerativeTransformerOptions { Vocabulary = 7, Length = 5, Width = Width, Depth = 1, Heads = 2 };
        SafetensorsTensor odd = new("h.0.attn.c_attn.weight", [Width, 4], new float[16]);
        Assert.Contains(
            "'h.0.attn.c_attn.weight' has shape [4, 4]; wanted rows of query, key and value",
            Assert.Throws<InvalidDataException>(() => Load(GenerativeTransformer.Build(options), [odd])).Message,
            StringComparison.Ordinal);
        SafetensorsTensor good = new("h.0.attn.c_attn.weight", [3 * Width, Width], new float[3 * Width * Width]);
        Assert.Contains(
            "has no tensor 'tokens.weight'; wanted one of shape [7, 4]",
            Assert.Throws<InvalidDataException>(() => Load(GenerativeTransformer.Build(options), [good])).Message,
            StringComparison.Ordinal);
    }

    /// <summary>A model's weights, as a vector and as tensors.</summary>
    private (float[] Values, SafetensorsTensor[] Tensors) Reference(Module model)
    {
        using var test = new TestNetwork(model, new SquaredErrorLoss());
        string path = Path.Combine(_directory.Path, "own.safetensors");
        test.Network.SaveParameters(path);
        return (test.Parameters, [.. Safetensors.Read(path)]);
    }

    private float[] Load(Module model, IReadOnlyList<SafetensorsTensor> tensors)
    {
        string path = Path.Combine(_directory.Path, "theirs.safetensors");
        Safetensors.Write(path, tensors);
        using Device device = TestDevice.OpenDefault();
        using var network = new Network(device, model, new SquaredErrorLoss(), default);
        network.LoadParameters(path);
        var values = new float[network.Parameters.Values.Length];
        device.DefaultStream.Download(network.Parameters.Values, values);
        return values;
    }

    private static SafetensorsTensor Named(SafetensorsTensor[] own, string name, string theirs) =>
        own.Single(tensor => tensor.Name == name) with { Name = theirs };

    private static SafetensorsTensor Stacked(SafetensorsTensor[] own, string layer, string part, string theirs)
    {
        SafetensorsTensor[] three = [.. ((string[])["query", "key", "value"]).Select(each => Named(own, $"{layer}.{each}.{part}", theirs))];
        return new SafetensorsTensor(
            theirs, [3 * three[0].Shape[0], .. three[0].Shape.Skip(1)], three.SelectMany(static tensor => tensor.Values.ToArray()).ToArray());
    }

    private static SafetensorsTensor Turned(SafetensorsTensor tensor, bool turns)
    {
        if (!turns)
        {
            return tensor;
        }

        (int rows, int columns) = (tensor.Shape[0], tensor.Shape[1]);
        float[] values = tensor.Values.ToArray();
        return new SafetensorsTensor(
            tensor.Name, [columns, rows], Enumerable.Range(0, values.Length).Select(i => values[(i % rows * columns) + (i / rows)]).ToArray());
    }
}
