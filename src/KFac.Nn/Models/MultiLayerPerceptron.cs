using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Settings of a multi-layer perceptron.</summary>
public sealed record MultiLayerPerceptronOptions
{
    /// <summary>P of the inputs.</summary>
    public required int InputWidth { get; init; }

    /// <summary>Widths of the hidden layers, in order; each is followed by the activation.</summary>
    public required IReadOnlyList<int> HiddenWidths { get; init; }

    /// <summary>Width of the linear output layer.</summary>
    public required int OutputWidth { get; init; }

    /// <summary>Non-linearity of the hidden layers.</summary>
    public ActivationKind Activation { get; init; } = ActivationKind.Relu;

    /// <summary>Whether layers have biases.</summary>
    public bool Bias { get; init; } = true;

    /// <summary>How weights start; null chooses He for ReLU and GELU, else Glorot.</summary>
    public WeightInitialization? Initialization { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        ArgumentNullException.ThrowIfNull(HiddenWidths);
        int[] widths = [InputWidth, .. HiddenWidths, OutputWidth];
        LayerWidths.Validate(widths);
    }
}

/// <summary>Builds <c>input → (linear → activation)… → linear</c>; layers are named <c>layer1</c>, <c>layer2</c>, …</summary>
public static class MultiLayerPerceptron
{
    /// <summary>Builds the modules.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static Module Build(MultiLayerPerceptronOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        WeightInitialization initialization = options.Initialization ?? DefaultFor(options.Activation);
        int[] widths = [options.InputWidth, .. options.HiddenWidths, options.OutputWidth];
        var modules = new List<Module>(2 * widths.Length);
        for (int i = 1; i < widths.Length; i++)
        {
            modules.Add(new Linear($"layer{i}", widths[i - 1], widths[i], options.Bias, initialization));
            if (i < widths.Length - 1)
            {
                modules.Add(new ActivationLayer(options.Activation));
            }
        }

        return new Sequential([.. modules]);
    }

    private static WeightInitialization DefaultFor(ActivationKind activation) =>
        activation is ActivationKind.Relu or ActivationKind.Gelu ? WeightInitialization.He : WeightInitialization.Glorot;
}
