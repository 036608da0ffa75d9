using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Settings of a deep linear network.</summary>
public sealed record DeepLinearNetworkOptions
{
    /// <summary>Widths from the input to the output: one layer between each two.</summary>
    public required IReadOnlyList<int> Widths { get; init; }

    /// <summary>Whether layers have biases.</summary>
    public bool Bias { get; init; }

    /// <summary>Scale of the sum over the sharing dimensions behind the last layer; null for none (the expand setting).</summary>
    public SharingScale? Aggregation { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate() => LayerWidths.Validate(Widths);
}

/// <summary>Builds linear layers without activations, for which K-FAC is exact (Propositions 1, 2, 4, 6).</summary>
public static class DeepLinearNetwork
{
    /// <summary>Builds the modules; layers are named <c>layer1</c>, <c>layer2</c>, …</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static Module Build(DeepLinearNetworkOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var modules = new List<Module>(options.Widths.Count);
        for (int i = 1; i < options.Widths.Count; i++)
        {
            modules.Add(new Linear(
                $"layer{i}", options.Widths[i - 1], options.Widths[i], options.Bias, WeightInitialization.Glorot));
        }

        if (options.Aggregation is SharingScale scale)
        {
            modules.Add(new MeanOverSharing(scale));
        }

        return new Sequential([.. modules]);
    }
}
