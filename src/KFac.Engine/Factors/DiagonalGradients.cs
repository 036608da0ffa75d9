using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Stages the output gradients of a layer with a diagonal output factor: those of a projection for B, those of a lookup for A.</summary>
internal sealed class DiagonalGradients : IDisposable
{
    private readonly DeviceStream _stream;
    private readonly Arena _arena;
    private readonly RowStore _reduced;
    private readonly MatrixView<float> _a;
    private readonly MatrixView<float> _b;
    private bool _hasA;
    private bool _hasB;

    /// <param name="b">[1, P_out], where B is staged.</param>
    public DiagonalGradients(DeviceStream stream, KroneckerLayer layer, MatrixView<float> b)
    {
        _stream = stream;
        _arena = new Arena(stream.Device);
        _reduced = new RowStore(stream, layer.OutputWidth);
        _a = _arena.Matrix<float>(layer.FactorInputWidth, layer.FactorInputWidth);
        _b = b;
    }

    /// <summary>Forgets what was staged.</summary>
    public void Clear() => _hasA = _hasB = false;

    /// <summary>Stages one hand-over.</summary>
    /// <param name="divisor">What the sum over all seeds is divided by.</param>
    public void Add(in LayerRows gradients, SharingApproximation approximation, double divisor)
    {
        if (gradients.IsLookup)
        {
            FactorMath.AddOutputGradients(_stream, gradients, approximation, divisor, _hasA ? 1 : 0, _a);
            _hasA = true;
        }
        else
        {
            DiagonalFactorMath.AddOutputGradients(_stream, gradients, approximation, divisor, _hasB ? 1 : 0, _reduced, _b.AsVector());
            _hasB = true;
        }
    }

    /// <summary>Adds <paramref name="weight"/> times what was staged to averages that have been multiplied by what is kept of them.</summary>
    public void Commit(double weight, in KroneckerPair pair)
    {
        if (_hasA)
        {
            Elementwise.Axpby(_stream, (float)weight, _a, 1, pair.A);
        }

        if (_hasB)
        {
            Elementwise.Axpby(_stream, (float)weight, _b, 1, pair.B);
        }
    }

    public void Dispose()
    {
        _reduced.Dispose();
        _arena.Dispose();
    }
}
