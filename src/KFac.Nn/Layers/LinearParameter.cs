using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Weight and bias of one layer with Kronecker factors.</summary>
/// <remarks>One [P_out, P_in] block, or [P_out, P_in + 1] with the bias as its last column. With <see cref="Normalization"/> the block holds
/// the directions v in place of the weight.</remarks>
public sealed class LinearParameter : Parameter
{
    /// <param name="normal">What the weights are drawn from if its deviation is above 0; <paramref name="initialization"/> says it otherwise.</param>
    internal LinearParameter(
        KroneckerLayer layer, int index, WeightInitialization initialization, ParameterInitialization normal, WeightNormalization normalization)
        : base(normalization == WeightNormalization.None ? $"{layer.Name}.weight" : $"{layer.Name}.weight_v", layer.OutputWidth, layer.FactorInputWidth, normal)
    {
        Layer = layer;
        Index = index;
        WeightInitialization = initialization;
        Normalization = normalization;
        FileOwner = layer.Name;
        FileSizes = [layer.InputWidth];
    }

    /// <summary>Name and widths.</summary>
    public KroneckerLayer Layer { get; }

    /// <summary>Position in <see cref="ICurvatureModel.Layers"/>.</summary>
    public int Index { get; }

    /// <inheritdoc/>
    public override int LayerIndex => Index;

    /// <summary>How the weights start; a bias starts at zero.</summary>
    public WeightInitialization WeightInitialization { get; }

    /// <summary>Whether the weight is made of directions and lengths.</summary>
    public WeightNormalization Normalization { get; }

    /// <summary>The lengths, g; null unless they are trained.</summary>
    public Parameter? Gain { get; internal set; }

    /// <summary>W, or the directions v, [P_out, P_in]; rows may have gaps.</summary>
    public MatrixView<float> Weight => WeightOf(Values);

    /// <summary>b as a column, [P_out, 1] with gaps.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The layer has no bias.</exception>
    public MatrixView<float> Bias => BiasOf(Values);

    /// <summary>∇W, or ∇v, [P_out, P_in]; rows may have gaps.</summary>
    public MatrixView<float> WeightGradient => WeightOf(Gradients);

    /// <summary>∇b as a column, [P_out, 1] with gaps.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The layer has no bias.</exception>
    public MatrixView<float> BiasGradient => BiasOf(Gradients);

    /// <summary>The layer that a file knows: a grouped convolution's groups are rows of one weight.</summary>
    internal string FileOwner { get; set; }

    /// <summary>Sizes of the weight after the first in a file: [C, k_h, k_w] of a convolution.</summary>
    internal IReadOnlyList<int> FileSizes { get; set; }

    /// <summary>The image that the inputs are the pixels of; null for inputs of any other kind.</summary>
    internal ImageSize? FileImage { get; set; }

    private VectorView<float> Lengths => Gain is null ? default : Gain.Values.Row(0);

    /// <summary>What the layer multiplies by in one use, weight and bias: the block itself, or with normalisation a block that lasts as long as the tape.</summary>
    internal MatrixView<float> Effective(Tape tape)
    {
        if (Normalization == WeightNormalization.None)
        {
            return Values;
        }

        MatrixView<float> effective = tape.Memory.Matrix<float>(Rows, Columns);
        WeightNorm.Forward(tape.Stream, Weight, Lengths, WeightOf(effective));
        if (Layer.HasBias)
        {
            Elementwise.Copy(tape.Stream, Bias, BiasOf(effective));
        }

        return effective;
    }

    /// <summary>Where to write the gradient of what <see cref="Effective"/> gave: with this <paramref name="beta"/>, and then call <see cref="EndContribution"/>.</summary>
    internal MatrixView<float> StartContribution(BackwardPass pass, out float beta)
    {
        beta = Normalization == WeightNormalization.None ? StartContribution(pass) : 0f;
        return Normalization == WeightNormalization.None ? Gradients : pass.Scratch(Rows, Columns);
    }

    /// <summary>Passes a gradient on from the effective weight to directions and lengths, where there are any.</summary>
    internal void EndContribution(BackwardPass pass, MatrixView<float> gradient)
    {
        if (Normalization == WeightNormalization.None)
        {
            return;
        }

        float beta = StartContribution(pass);
        _ = Gain?.StartContribution(pass);
        VectorView<float> lengths = Gain is null ? default : Gain.Gradients.Row(0);
        WeightNorm.Backward(pass.Stream, Weight, Lengths, WeightOf(gradient), beta, WeightGradient, lengths);
        if (Layer.HasBias)
        {
            Elementwise.Axpby(pass.Stream, 1f, BiasOf(gradient), beta, BiasGradient);
        }

        pass.Release(gradient);
    }

    /// <summary>The columns of a block of this shape that are the weight.</summary>
    internal MatrixView<float> WeightOf(MatrixView<float> block) => block.Slice(0, 0, Layer.OutputWidth, Layer.InputWidth);

    /// <summary>The last column of a block of this shape, the bias.</summary>
    internal MatrixView<float> BiasOf(MatrixView<float> block) => block.Slice(0, Layer.InputWidth, Layer.OutputWidth, 1);

    /// <inheritdoc/>
    internal override IEnumerable<TensorSlot> Slots()
    {
        string weight = Normalization == WeightNormalization.None ? "weight" : "weight_v";
        yield return new TensorSlot($"{FileOwner}.{weight}", Rows, Layer.InputWidth, 0, Columns, FileSizes) { Image = FileImage };
        if (Layer.HasBias)
        {
            yield return new TensorSlot($"{FileOwner}.bias", Rows, 1, Layer.InputWidth, Columns, []);
        }
    }

    internal override void Initialize(DeviceStream stream, PhiloxKey key)
    {
        WeightInitializer.Run(stream, key, this);
        if (Normalization == WeightNormalization.Unit)
        {
            WeightNorm.Forward(stream, Weight, default, Weight);
        }
    }
}
