using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Settings of a graph convolutional network; the defaults are Kipf and Welling's (2017).</summary>
public sealed record GraphConvolutionNetworkOptions
{
    /// <summary>Features of a node.</summary>
    public required int InputWidth { get; init; }

    /// <summary>Widths of the hidden layers, in order; each is followed by the activation.</summary>
    public IReadOnlyList<int> HiddenWidths { get; init; } = [16];

    /// <summary>Classes.</summary>
    public required int OutputWidth { get; init; }

    /// <summary>Share of each layer's inputs that is dropped in training.</summary>
    public float Dropout { get; init; } = 0.5f;

    /// <summary>Non-linearity of the hidden layers.</summary>
    public ActivationKind Activation { get; init; } = ActivationKind.Relu;

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        ArgumentNullException.ThrowIfNull(HiddenWidths);
        int[] widths = [InputWidth, .. HiddenWidths, OutputWidth];
        LayerWidths.Validate(widths);
        _ = new DropoutLayer(Dropout);
    }
}

/// <summary>Builds <c>nodes → (dropout → graph convolution → activation)… → dropout → graph convolution</c>; layers are named <c>layer1</c>, <c>layer2</c>, …</summary>
public static class GraphConvolutionNetwork
{
    /// <summary>Builds the modules; their forward pass wants a graph with <see cref="GraphStructure.NormalizedAdjacency"/>.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static Module Build(GraphConvolutionNetworkOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        int[] widths = [options.InputWidth, .. options.HiddenWidths, options.OutputWidth];
        var modules = new List<Module>(3 * widths.Length);
        for (int i = 1; i < widths.Length; i++)
        {
            modules.Add(new DropoutLayer(options.Dropout));
            modules.Add(new GraphConvolution($"layer{i}", widths[i - 1], widths[i]));
            if (i < widths.Length - 1)
            {
                modules.Add(new ActivationLayer(options.Activation));
            }
        }

        return new Sequential([.. modules]);
    }
}
