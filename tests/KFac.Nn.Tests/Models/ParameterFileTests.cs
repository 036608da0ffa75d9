using Xunit;

namespace KFac.Nn.Tests;

public class ParameterFileTests
{
    [Fact]
    public void Saved_parameters_have_names_and_shapes_of_others_and_load_again()
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.Path, "w.safetensors");
        using var test = new TestNetwork(Model(), new SquaredErrorLoss());
        test.Network.SaveParameters(path);
        IReadOnlyList<SafetensorsTensor> tensors = Safetensors.Read(path);
        Assert.Equal(["a.weight", "a.bias", "n.weight", "n.bias", "b.weight"], tensors.Select(static tensor => tensor.Name));
        Assert.Equal([[3, 2], [3], [3], [3], [1, 3]], tensors.Select(static tensor => tensor.Shape));
        Assert.Equal(test.Parameters[2], tensors[1].Values.Span[0]);
        Assert.Equal(test.Parameters[3], tensors[0].Values.Span[2]);

        using var other = new TestNetwork(Model(), new SquaredErrorLoss(), scale: 0.1f);
        other.Network.LoadParameters(path);
        Assert.Equal(test.Parameters, ReadParameters(other));
    }

    [Theory]
    [InlineData("n.weight", null, "has no tensor 'n.weight'; wanted one of shape [3]")]
    [InlineData("b.weight", new[] { 3, 1 }, "tensor 'b.weight' has shape [3, 1]; wanted [1, 3]")]
    [InlineData("extra", new[] { 1 }, "holds 'extra', which the network lacks")]
    [InlineData("head.weight", new[] { 4, 3 }, "holds 'head.weight', which the network lacks")]
    public void Files_that_do_not_fit_are_refused_and_change_nothing(string name, int[]? shape, string message)
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.Path, "w.safetensors");
        using var test = new TestNetwork(Model(), new SquaredErrorLoss());
        test.Network.SaveParameters(path);
        List<SafetensorsTensor> tensors = [.. Safetensors.Read(path).Where(tensor => tensor.Name != name)];
        if (shape is not null)
        {
            tensors.Add(new(name, shape, new float[shape.Aggregate(1, static (product, size) => product * size)]));
        }

        Safetensors.Write(path, tensors);
        using var other = new TestNetwork(Model(), new SquaredErrorLoss(), scale: 0.1f);
        InvalidDataException failure = Assert.Throws<InvalidDataException>(() => other.Network.LoadParameters(path));
        Assert.Contains(message, failure.Message, StringComparison.Ordinal);
        Assert.Equal(other.Parameters, ReadParameters(other));
    }

    [Theory]
    [InlineData(float.NaN, "NaN")]
    [InlineData(float.NegativeInfinity, "-Infinity")]
    public void Weights_that_are_not_finite_are_refused_and_change_nothing(float bad, string text)
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.Path, "w.safetensors");
        using var test = new TestNetwork(Model(), new SquaredErrorLoss());
        test.Network.SaveParameters(path);
        Safetensors.Write(path, [.. Safetensors.Read(path).Select(tensor => tensor.Name == "a.bias" ? tensor with { Values = (float[])[0, 0, bad] } : tensor)]);
        InvalidDataException failure = Assert.Throws<InvalidDataException>(() => test.Network.LoadParameters(path));
        Assert.Equal($"{path}: tensor 'a.bias' holds {text} at element 2; wanted finite numbers.", failure.Message);
        Assert.Equal(test.Parameters, ReadParameters(test));
    }

    private static Sequential Model() => new(
        new Linear("a", 2, 3), new LayerNormalization("n", 3), new Linear("b", 3, 1, bias: false));

    private static float[] ReadParameters(TestNetwork test) => test.Read(test.Network.Parameters.Values.AsMatrix(1, test.Network.Parameters.Values.Length));
}
