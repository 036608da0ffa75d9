namespace KFac.Engine;

/// <summary>Which Kronecker factors are estimated, and how they are averaged over time.</summary>
public record FactorOptions
{
    /// <summary>Which output gradients go into B. The default is one Monte-Carlo sample per loss term.</summary>
    public CurvatureKind Kind { get; init; } = CurvatureKind.MonteCarlo;

    /// <summary>Monte-Carlo samples per loss term, at least 1; other kinds ignore it.</summary>
    public int Samples { get; init; } = 1;

    /// <summary>Expand or reduce for every layer; null follows <see cref="ICurvatureModel.LossSetting"/>.</summary>
    public SharingApproximation? Approximation { get; init; }

    /// <summary>Expand or reduce for single layers, by name; goes before <see cref="Approximation"/>.</summary>
    public IReadOnlyDictionary<string, SharingApproximation> LayerApproximations { get; init; } =
        new Dictionary<string, SharingApproximation>();

    /// <summary>m of the bias-corrected moving average, from 0 to less than 1; 0 is the current mini-batch alone.</summary>
    public double MovingAverage { get; init; }

    /// <summary>Is told when a part of the work begins; null for nobody.</summary>
    public IStepClock? Clock { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public virtual void Validate()
    {
        OptionCheck.Defined(Kind, nameof(Kind));
        OptionCheck.AtLeast(Samples, 1, nameof(Samples));
        OptionCheck.InHalfOpenUnitInterval(MovingAverage, nameof(MovingAverage));
        if (Approximation is { } approximation)
        {
            OptionCheck.Defined(approximation, nameof(Approximation));
        }

        ArgumentNullException.ThrowIfNull(LayerApproximations);
        foreach ((string layer, SharingApproximation value) in LayerApproximations)
        {
            OptionCheck.Defined(value, $"{nameof(LayerApproximations)}[{layer}]");
        }
    }

    /// <summary>The override of every layer, in the order of the layers; null where the loss decides.</summary>
    /// <exception cref="ArgumentException"><see cref="LayerApproximations"/> names a layer that the model lacks.</exception>
    internal SharingApproximation?[] Resolve(IReadOnlyList<KroneckerLayer> layers)
    {
        foreach (string name in LayerApproximations.Keys)
        {
            if (!layers.Any(layer => layer.Name == name))
            {
                throw new ArgumentException(
                    $"LayerApproximations names '{name}', but the model has no such layer; it has {string.Join(", ", layers.Select(layer => layer.Name))}.");
            }
        }

        return [.. layers.Select(layer => LayerApproximations.TryGetValue(layer.Name, out SharingApproximation own) ? own : Approximation)];
    }
}
