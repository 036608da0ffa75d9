namespace KFac.Cli;

/// <summary>The widths of all Kronecker factors of a network: A and B of every layer, in the order of the layers.</summary>
/// <remarks>A of a convolution has as many rows as a patch has elements, one more with a bias; B as many as there are outputs.</remarks>
internal static class FactorSets
{
    /// <summary>Names of the networks.</summary>
    public static readonly string[] Names = ["wrn16-4", "gpt2-small", "mnist-mlp", "vit"];

    /// <summary>The widths of one network's factors.</summary>
    public static int[] Sizes(string name) => name switch
    {
        "wrn16-4" => [.. WideResNet()],
        "gpt2-small" => [.. Transformer(blocks: 12, width: 768)],
        "mnist-mlp" => [784, 1000, 1000, 1000, 1000, 1000, 1000, 10],
        "vit" => [49, 192, .. Transformer(blocks: 6, width: 192), 193, 10],
        _ => throw new ArgumentException($"There is no network '{name}'.", nameof(name)),
    };

    /// <summary>WRN-16-4 (Zagoruyko and Komodakis, 2016): convolutions without biases, shortcuts of one pixel, a linear layer with bias.</summary>
    private static IEnumerable<int> WideResNet()
    {
        List<int> sizes = [27, 16];
        int inputs = 16;
        foreach (int outputs in new[] { 64, 128, 256 })
        {
            sizes.AddRange([9 * inputs, outputs, 9 * outputs, outputs, inputs, outputs]);
            sizes.AddRange([9 * outputs, outputs, 9 * outputs, outputs]);
            inputs = outputs;
        }

        return [.. sizes, inputs + 1, 10];
    }

    /// <summary>Query, key and value in one layer, projection, and a perceptron four times as wide; biases everywhere.</summary>
    private static IEnumerable<int> Transformer(int blocks, int width) =>
        Enumerable.Range(0, blocks).SelectMany(_ =>
            new[] { width + 1, 3 * width, width + 1, width, width + 1, 4 * width, (4 * width) + 1, width });
}
