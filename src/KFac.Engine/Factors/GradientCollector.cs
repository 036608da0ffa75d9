using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Takes the layers' output gradients and stages each layer's B of this batch.</summary>
/// <remarks>Gradients come while back-propagation runs and can't be handed over again, so B is staged until all layers
/// have been checked.</remarks>
internal sealed class GradientCollector : ICaptureSink, IDisposable
{
    private const string Quantity = "output gradients";

    private readonly DeviceStream _stream;
    private readonly CaptureLayers _layers;
    private readonly NonFiniteGuard _guard;
    private readonly LossReduction _reduction;
    private readonly int _samples;
    private readonly Arena _arena;
    private readonly MatrixView<float>[] _staged;
    private readonly bool[] _seen;
    private readonly FactorRowCollector[]? _rows;
    private readonly FactorRowCollector[]? _stagedRows;
    private readonly bool[] _exceeded;
    private readonly DiagonalGradients?[] _diagonal;

    /// <param name="rows">By layer, where rows are kept instead, of factors of few; null where every factor is formed.</param>
    /// <param name="stagedRows">By layer, where they are staged.</param>
    public GradientCollector(
        DeviceStream stream, CaptureLayers layers, int samples, LossReduction reduction, NonFiniteGuard guard,
        FactorRowCollector[]? rows, FactorRowCollector[]? stagedRows)
    {
        _stream = stream;
        _layers = layers;
        _guard = guard;
        _reduction = reduction;
        _samples = samples;
        _arena = new Arena(stream.Device);
        _rows = rows;
        _stagedRows = stagedRows;
        _seen = new bool[layers.Count];
        _exceeded = new bool[layers.Count];
        _staged = new MatrixView<float>[layers.Count];
        _diagonal = new DiagonalGradients?[layers.Count];
        for (int layer = 0; layer < layers.Count; layer++)
        {
            _staged[layer] = _arena.Matrix<float>(layers[layer].FactorOutputRows, layers[layer].OutputWidth);
            _diagonal[layer] = layers[layer].HasDiagonalOutput ? new DiagonalGradients(stream, layers[layer], _staged[layer]) : null;
        }
    }

    /// <summary>Whether anything was handed over since <see cref="Begin"/>.</summary>
    public bool HasAny => _seen.AsSpan().Contains(true);

    /// <summary>Forgets what was staged.</summary>
    public void Begin()
    {
        _guard.Clear();
        Array.Clear(_seen);
        Array.Fill(_exceeded, _stagedRows is null);
        foreach (FactorRowCollector collector in _stagedRows ?? [])
        {
            collector.Clear();
        }

        foreach (DiagonalGradients? diagonal in _diagonal)
        {
            diagonal?.Clear();
        }
    }

    public void OutputGradients(int layer, in LayerRows rows)
    {
        _layers.Check(layer, rows, isInput: false);
        StepPhase pass = _layers.Clock?.Begin(StepPhase.Factors) ?? default;
        Stage(layer, rows);
        _layers.Clock?.Begin(pass);
    }

    private void Stage(int layer, in LayerRows rows)
    {
        _guard.Search(_layers[layer].Name, Quantity, rows.Rows);
        double divisor = _samples * (_reduction == LossReduction.Mean ? (double)_layers.Model.LossTerms : 1);
        SharingApproximation approximation = _layers.ApproximationOf(layer);
        if (_diagonal[layer] is { } diagonal)
        {
            diagonal.Add(rows, approximation, rows.IsLookup ? _samples * (double)_layers.Model.LossTerms : divisor);
        }
        else if (!KeepsRows(layer, rows, approximation, divisor))
        {
            FactorMath.AddOutputGradients(_stream, rows, approximation, divisor, _seen[layer] ? 1 : 0, _staged[layer]);
        }

        _seen[layer] = true;
    }

    public void Inputs(int layer, in LayerRows rows) =>
        throw new InvalidOperationException("The model handed over inputs where output gradients were asked for.");

    /// <summary>Stands for where the B of this batch are staged.</summary>
    public bool IsExchanged { get; private set; }

    /// <summary>Takes note of a pass that was replayed: every layer has handed over what it did when the pass was recorded.</summary>
    public void Replayed() => Array.Fill(_seen, true);

    /// <exception cref="InvalidOperationException">Some layer handed over nothing.</exception>
    public void RequireAll() => _layers.RequireAll(_seen, Quantity);

    /// <summary><c>B ← keep·B + (1 − keep)·B_batch</c>, all but what <see cref="Exchange"/> does.</summary>
    public void Average(double keep, KroneckerPair[] factors)
    {
        for (int layer = 0; layer < factors.Length; layer++)
        {
            if (_diagonal[layer] is { } diagonal)
            {
                diagonal.Commit(1 - keep, factors[layer]);
            }
            else if (keep != 0)
            {
                Elementwise.Axpby(_stream, (float)(1 - keep), _staged[layer], (float)keep, factors[layer].B);
            }
        }
    }

    /// <summary>With keep = 0 the staged matrices, or rows, themselves become B.</summary>
    public void Exchange(double keep, KroneckerPair[] factors)
    {
        for (int layer = 0; layer < factors.Length; layer++)
        {
            KroneckerPair pair = factors[layer];
            if (_diagonal[layer] is not null)
            {
                continue;
            }

            if (_rows is not null && _stagedRows is not null)
            {
                (_rows[layer], _stagedRows[layer]) = (_stagedRows[layer], _rows[layer]);
                pair = pair with { RowsOfB = _rows[layer].Rows };
            }

            if (keep == 0)
            {
                factors[layer] = pair with { B = _staged[layer] };
                _staged[layer] = pair.B;
            }
        }

        IsExchanged ^= keep == 0;
        Array.Clear(_seen);
    }

    /// <summary>Keeps the rows while there are few. When there are more, those that have been kept are added to the staged matrix.</summary>
    private bool KeepsRows(int layer, in LayerRows rows, SharingApproximation approximation, double divisor)
    {
        if (_exceeded[layer])
        {
            return false;
        }

        FactorRowCollector collector = _stagedRows![layer];
        collector.Weight = 1 / divisor;
        if (collector.TryAdd(rows, approximation, SharingScale.Sum))
        {
            return true;
        }

        _exceeded[layer] = true;
        collector.Form(_staged[layer]);
        collector.Clear();
        return false;
    }

    public void Dispose()
    {
        foreach (DiagonalGradients? diagonal in _diagonal)
        {
            diagonal?.Dispose();
        }

        _arena.Dispose();
    }
}
