using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Weight and bias of one layer with Kronecker factors.</summary>
/// <remarks>One [P_out, P_in] block, or [P_out, P_in + 1] with the bias as its last column.</remarks>
public sealed class LinearParameter : Parameter
{
    /// <param name="normal">What the weights are drawn from if its deviation is above 0; <paramref name="initialization"/> says it otherwise.</param>
    internal LinearParameter(KroneckerLayer layer, int index, WeightInitialization initialization, ParameterInitialization normal)
        : base($"{layer.Name}.weight", layer.OutputWidth, layer.FactorInputWidth, normal)
    {
        Layer = layer;
        Index = index;
        WeightInitialization = initialization;
    }

    /// <summary>Name and widths.</summary>
    public KroneckerLayer Layer { get; }

    /// <summary>Position in <see cref="ICurvatureModel.Layers"/>.</summary>
    public int Index { get; }

    /// <inheritdoc/>
    public override int LayerIndex => Index;

    /// <summary>How the weights start; a bias starts at zero.</summary>
    public WeightInitialization WeightInitialization { get; }

    /// <summary>W, [P_out, P_in]; rows may have gaps.</summary>
    public MatrixView<float> Weight => Values.Slice(0, 0, Layer.OutputWidth, Layer.InputWidth);

    /// <summary>b as a column, [P_out, 1] with gaps.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The layer has no bias.</exception>
    public MatrixView<float> Bias => Values.Slice(0, Layer.InputWidth, Layer.OutputWidth, 1);

    /// <summary>∇W, [P_out, P_in]; rows may have gaps.</summary>
    public MatrixView<float> WeightGradient => Gradients.Slice(0, 0, Layer.OutputWidth, Layer.InputWidth);

    /// <summary>∇b as a column, [P_out, 1] with gaps.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The layer has no bias.</exception>
    public MatrixView<float> BiasGradient => Gradients.Slice(0, Layer.InputWidth, Layer.OutputWidth, 1);

    internal override void Initialize(DeviceStream stream, PhiloxKey key) => WeightInitializer.Run(stream, key, this);
}
