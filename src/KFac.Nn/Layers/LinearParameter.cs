using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Weight and bias of one linear layer inside the network's flat parameter vectors.</summary>
/// <remarks>One [P_out, P_in] block, or [P_out, P_in + 1] with the bias as its last column. Its views exist once the
/// network has allocated its parameters.</remarks>
public sealed class LinearParameter
{
    private MatrixView<float> _values;
    private MatrixView<float> _gradients;
    private long _writtenInPass;

    internal LinearParameter(KroneckerLayer layer, int index, WeightInitialization initialization)
    {
        Layer = layer;
        Index = index;
        Initialization = initialization;
    }

    /// <summary>Name and widths.</summary>
    public KroneckerLayer Layer { get; }

    /// <summary>Position in <see cref="ICurvatureModel.Layers"/>.</summary>
    public int Index { get; }

    /// <summary>How the weights start.</summary>
    public WeightInitialization Initialization { get; }

    /// <summary>W, [P_out, P_in]; rows may have gaps.</summary>
    public MatrixView<float> Weight => _values.Slice(0, 0, Layer.OutputWidth, Layer.InputWidth);

    /// <summary>b as a column, [P_out, 1] with gaps.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The layer has no bias.</exception>
    public MatrixView<float> Bias => _values.Slice(0, Layer.InputWidth, Layer.OutputWidth, 1);

    /// <summary>∇W, [P_out, P_in]; rows may have gaps.</summary>
    public MatrixView<float> WeightGradient => _gradients.Slice(0, 0, Layer.OutputWidth, Layer.InputWidth);

    /// <summary>∇b as a column, [P_out, 1] with gaps.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The layer has no bias.</exception>
    public MatrixView<float> BiasGradient => _gradients.Slice(0, Layer.InputWidth, Layer.OutputWidth, 1);

    internal void Bind(MatrixView<float> values, MatrixView<float> gradients)
    {
        _values = values;
        _gradients = gradients;
    }

    /// <summary>What to multiply the old gradient by before adding to it: 0 for the pass's first contribution, then 1.</summary>
    internal float StartContribution(BackwardPass pass)
    {
        bool first = _writtenInPass != pass.Number;
        _writtenInPass = pass.Number;
        return first ? 0f : 1f;
    }

    /// <summary>Zeroes the gradient of a layer that the pass did not reach.</summary>
    internal void ZeroUnlessWritten(DeviceStream stream, long pass)
    {
        if (_writtenInPass != pass)
        {
            Elementwise.Fill(stream, 0f, _gradients);
        }
    }
}
