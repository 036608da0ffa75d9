namespace KFac.Engine;

/// <summary>The model's layers as a capture pass needs them: which approximation each gets, and whether what it hands over fits.</summary>
internal sealed class CaptureLayers(ICurvatureModel model, FactorOptions options)
{
    private readonly SharingApproximation?[] _overrides = options.Resolve(model.Layers);

    public int Count => _overrides.Length;

    public ICurvatureModel Model { get; } = model;

    /// <summary>Whether no output gradients are captured.</summary>
    public bool IsForwardOnly { get; } = options.Kind == CurvatureKind.ForwardOnly;

    /// <summary>Is told when factors are being worked on.</summary>
    public IStepClock? Clock { get; } = options.Clock;

    public KroneckerLayer this[int layer] => Model.Layers[layer];

    /// <summary>The layer's override, the model's, or the setting of the loss, in this order.</summary>
    public SharingApproximation ApproximationOf(int layer) => _overrides[layer] ?? Model.LossSetting;

    /// <exception cref="ArgumentException">There is no such layer, or its rows do not fit it.</exception>
    public void Check(int layer, in LayerRows rows, bool isInput)
    {
        if ((uint)layer >= (uint)Count)
        {
            throw new ArgumentException($"Layer {layer} handed over rows, but the model has {Count} layers.");
        }

        KroneckerLayer description = Model.Layers[layer];
        if (rows.IsLookup && (!description.HasDiagonalOutput || description.HasBias))
        {
            throw new ArgumentException(
                $"Layer '{description.Name}' handed over a lookup; wanted a layer without bias whose output factor is diagonal.");
        }

        if (rows.Convolution is not null && (!isInput || rows.IsLookup || description.HasDiagonalOutput))
        {
            throw new ArgumentException(
                $"Layer '{description.Name}' handed over images as something else than the inputs of a layer whose output factor is a matrix.");
        }

        int width = isInput || rows.IsLookup ? description.InputWidth : description.OutputWidth;
        rows.Validate(description.Name, isInput && rows.IsLookup ? null : width);
        if (isInput && (rows.Seeds != 1 || rows.Scale != 1))
        {
            throw new ArgumentException(
                $"Layer '{description.Name}' handed over inputs with {rows.Seeds} seeds and scale {rows.Scale}; wanted 1 and 1.");
        }
    }

    /// <exception cref="InvalidOperationException">A layer handed over nothing.</exception>
    public void RequireAll(ReadOnlySpan<bool> seen, string quantity)
    {
        int missing = seen.IndexOf(false);
        if (missing >= 0)
        {
            throw new InvalidOperationException(
                $"Layer '{this[missing].Name}' handed over no {quantity}; run it in every forward pass or leave it out of the model's layers.");
        }
    }
}
