using KFac.Kernels;

namespace KFac.Engine;

/// <summary>The layers' preconditioned gradients, scaled by KL clipping: <c>ΔW = (A⊗B + damping)⁻¹ ∇W</c> for every Kronecker layer,
/// times <c>min(1, √(κ/(η² Σ_ℓ ⟨∇W_ℓ, ΔW_ℓ⟩)))</c>.</summary>
/// <remarks>Layers that the training pass left as rows are preconditioned by rows, and their inner products with them.</remarks>
internal sealed class KfacDirections
{
    private readonly DeviceStream _stream;
    private readonly ParameterSet _parameters;
    private readonly KroneckerInverses _inverses;
    private readonly GradientRows _rows;
    private readonly double? _klClip;
    private readonly VectorView<double> _products;
    private readonly VectorView<float> _klFactor;
    private readonly VectorView<float>[] _layerRuns;

    /// <param name="arena">Memory for as long as the optimizer lives.</param>
    /// <param name="layers">Number of Kronecker layers.</param>
    /// <param name="klClip">κ; null leaves directions as they are.</param>
    public KfacDirections(
        DeviceStream stream, Arena arena, ParameterSet parameters, int layers, KroneckerInverses inverses, GradientRows rows, double? klClip)
    {
        _stream = stream;
        _parameters = parameters;
        _inverses = inverses;
        _rows = rows;
        _klClip = klClip;
        Values = arena.Vector<float>(parameters.Values.Length);
        _products = arena.Vector<double>(layers);
        _klFactor = arena.Vector<float>(1);
        _layerRuns = KfacBlocks.LayerRuns(Values, parameters.Blocks);
    }

    /// <summary>Directions, laid out as the gradients; those of parameters without Kronecker structure are left to others.</summary>
    public VectorView<float> Values { get; }

    /// <summary>Writes the layers' directions, before clipping.</summary>
    /// <param name="byRows">Whether rows that were kept stand for gradients.</param>
    public void Precondition(bool byRows)
    {
        for (int i = 0; i < _parameters.Blocks.Count; i++)
        {
            ParameterBlock block = _parameters.Blocks[i];
            MatrixView<float> direction = ParameterSet.View(Values, block);
            if (block.Layer >= 0 && byRows && _rows.TryGet(block.Layer, out MatrixView<float> inputs, out MatrixView<float> outputGradients))
            {
                _inverses.ApplyRows(block.Layer, outputGradients, inputs, _rows.Scale, direction);
                if (_klClip is not null)
                {
                    _inverses.ProductOfRows(block.Layer, outputGradients, inputs, _rows.Scale, direction, _products.Slice(block.Layer, 1));
                }
            }
            else if (block.Layer >= 0)
            {
                _inverses.Apply(block.Layer, _parameters.GradientsOf(block), direction);
            }
        }
    }

    /// <summary>Scales the layers' directions.</summary>
    /// <param name="learningRate">[1], η.</param>
    public void Clip(bool byRows, VectorView<double> learningRate)
    {
        if (_klClip is not { } clip)
        {
            return;
        }

        for (int i = 0; i < _parameters.Blocks.Count; i++)
        {
            ParameterBlock block = _parameters.Blocks[i];
            if (block.Layer >= 0 && !(byRows && _rows.IsKept(block.Layer)))
            {
                Reduction.Dot(_stream, _parameters.GradientsOf(block), ParameterSet.View(Values, block), _products.Slice(block.Layer, 1));
            }
        }

        Clipping.ByDivergence(_stream, _products, learningRate, clip, _klFactor);
        foreach (VectorView<float> run in _layerRuns)
        {
            Clipping.Apply(_stream, _klFactor, run.AsMatrix(1, run.Length));
        }
    }
}
