using KFac.Engine;

namespace KFac.Nn;

/// <summary>One layer in a model's summary.</summary>
/// <param name="Name">As in messages and files.</param>
/// <param name="InputWidth">P_in, without the bias.</param>
/// <param name="OutputWidth">P_out.</param>
/// <param name="HasBias">Whether there is a bias.</param>
/// <param name="Parameters">Number of weights and biases.</param>
/// <param name="InputFactorSize">Rows and columns of A.</param>
/// <param name="OutputFactorSize">Rows and columns of B.</param>
public sealed record LayerSummary(
    string Name, int InputWidth, int OutputWidth, bool HasBias, long Parameters, int InputFactorSize, int OutputFactorSize);

/// <summary>What a model consists of, as data.</summary>
/// <param name="Layers">In the order of <see cref="ICurvatureModel.Layers"/>.</param>
/// <param name="Parameters">Number of weights and biases in all.</param>
/// <param name="FactorElements">Numbers in all Kronecker factors together.</param>
public sealed record ModelSummary(IReadOnlyList<LayerSummary> Layers, long Parameters, long FactorElements)
{
    /// <summary>Summarises a model.</summary>
    public static ModelSummary Of(ICurvatureModel model)
    {
        ArgumentNullException.ThrowIfNull(model);
        List<LayerSummary> layers = [.. model.Layers.Select(Summarise)];
        return new ModelSummary(
            layers,
            layers.Sum(static layer => layer.Parameters),
            layers.Sum(static layer => Square(layer.InputFactorSize) + Square(layer.OutputFactorSize)));
    }

    private static LayerSummary Summarise(KroneckerLayer layer) => new(
        layer.Name,
        layer.InputWidth,
        layer.OutputWidth,
        layer.HasBias,
        (long)layer.OutputWidth * layer.FactorInputWidth,
        layer.FactorInputWidth,
        layer.OutputWidth);

    private static long Square(int size) => (long)size * size;
}
