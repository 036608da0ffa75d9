using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Adds the inputs of a layer with a diagonal output factor to its averages: rows of a projection to A, tokens of a lookup to B.</summary>
/// <remarks>Without output gradients (forward only) their part is the identity: B's for a projection, A's for a lookup.</remarks>
internal sealed class DiagonalInputs(
    DeviceStream stream, ICurvatureModel model, KroneckerLayer layer, LossReduction reduction, bool addsIdentities) : IDisposable
{
    private readonly Arena _arena = new(stream.Device);
    private MatrixView<float> _identity;
    private MatrixView<float> _ones;
    private long _rows;
    private long _tokens;

    /// <summary>One for each layer that has a diagonal factor.</summary>
    public static DiagonalInputs?[] Create(DeviceStream stream, CaptureLayers layers, LossReduction reduction)
    {
        var result = new DiagonalInputs?[layers.Count];
        for (int layer = 0; layer < result.Length; layer++)
        {
            result[layer] = layers[layer].HasDiagonalOutput
                ? new DiagonalInputs(stream, layers.Model, layers[layer], reduction, layers.IsForwardOnly)
                : null;
        }

        return result;
    }

    /// <summary>Forgets what has been counted.</summary>
    public void Clear() => (_rows, _tokens) = (0, 0);

    /// <summary>Counts what the sums will be divided by.</summary>
    public void Count(in LayerRows inputs, SharingApproximation approximation)
    {
        long count = FactorMath.InputCount(inputs, approximation);
        (_rows, _tokens) = inputs.IsLookup ? (_rows, _tokens + count) : (_rows + count, _tokens);
    }

    /// <summary><c>A ← keep·A, B ← keep·B</c>: every contribution is added to these.</summary>
    public void BeginUpdate(double keep, in KroneckerPair pair)
    {
        Decay(keep, pair.A);
        Decay(keep, pair.B);
        if (!addsIdentities)
        {
            return;
        }

        MakeIdentities();
        if (_tokens > 0)
        {
            Elementwise.Axpby(stream, (float)(1 - keep), _identity, 1, pair.A);
        }

        if (_rows > 0)
        {
            Elementwise.Axpby(stream, (float)((1 - keep) * Terms), _ones, 1, pair.B);
        }
    }

    /// <summary>Adds one hand-over, after all have been counted.</summary>
    public void Add(in LayerRows inputs, SharingApproximation approximation, double weight, in KroneckerPair pair)
    {
        if (!inputs.IsLookup)
        {
            FactorMath.AddInputs(stream, inputs, approximation, layer.HasBias, _rows, weight, 1, pair.A);
            return;
        }

        float alpha = _tokens == 0 ? 0 : (float)(weight * Terms / _tokens);
        DiagonalFactorMath.AddTokens(stream, inputs, approximation, alpha, 1, pair.B.AsVector());
    }

    public void Dispose() => _arena.Dispose();

    private double Terms => addsIdentities || reduction == LossReduction.Mean ? 1 : model.LossTerms;

    private void Decay(double keep, MatrixView<float> average)
    {
        if (keep == 0)
        {
            Elementwise.Fill(stream, 0, average);
        }
        else
        {
            Elementwise.Axpby(stream, (float)keep, average, 0, average);
        }
    }

    private void MakeIdentities()
    {
        if (_identity.IsEmpty)
        {
            _identity = _arena.Matrix<float>(layer.FactorInputWidth, layer.FactorInputWidth);
            _ones = _arena.Matrix<float>(1, layer.OutputWidth);
            ScaledIdentity.Write(stream, 1, _identity);
            Elementwise.Fill(stream, 1, _ones);
        }
    }
}
