using System.Runtime.InteropServices;
using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Takes the layers' inputs twice: to check and count them, then to add them to the moving averages of A.</summary>
/// <remarks>Inputs cost nothing to hand over again, so the second pass can write straight into the averages: nothing is
/// staged, and nothing is half updated when a later layer turns out to hold a NaN.</remarks>
/// <param name="rows">By layer, where rows are kept instead, of factors of few; null where every factor is formed.</param>
internal sealed class InputCollector(
    DeviceStream stream,
    CaptureLayers layers,
    KroneckerPair[] factors,
    LossReduction reduction,
    NonFiniteGuard guard,
    FactorRowCollector[]? rows) : ICaptureSink, IDisposable
{
    private const string Quantity = "inputs";

    private readonly long[] _counts = new long[layers.Count];
    private readonly bool[] _seen = new bool[layers.Count];
    private readonly bool[] _byRows = new bool[layers.Count];
    private readonly DiagonalInputs?[] _diagonal = DiagonalInputs.Create(stream, layers, reduction);
    private readonly SharedInputs _shared = new(layers, (left, right) => AreEqual(stream, factors[left].A, factors[right].A));

    // Replayed work does not pass through this object, which then could not know which averages are one.
    private readonly bool _shares = !stream.GainsByReplay && rows is null;
    private bool _accumulates;
    private double _keep;

    /// <summary>Looks through what every layer hands over and counts the rows or examples that A is the mean over.</summary>
    /// <exception cref="InvalidOperationException">Some layer hands over nothing.</exception>
    public void Count()
    {
        Array.Clear(_counts);
        Array.Clear(_seen);
        Array.Fill(_byRows, rows is not null);
        _accumulates = false;
        _shared.Begin();
        foreach (DiagonalInputs? diagonal in _diagonal)
        {
            diagonal?.Clear();
        }

        layers.Model.CaptureInputs(this);
        layers.RequireAll(_seen, Quantity);
        for (int layer = 0; rows is not null && layer < _byRows.Length; layer++)
        {
            _byRows[layer] &= _counts[layer] <= rows[layer].Most;
        }
    }

    /// <summary><c>A ← keep·A + (1 − keep)·A_batch</c>; after <see cref="Count"/> of the same forward pass.</summary>
    public void Accumulate(double keep)
    {
        Array.Clear(_seen);
        _accumulates = true;
        _keep = keep;
        for (int layer = 0; rows is not null && layer < rows.Length; layer++)
        {
            rows[layer].Clear();
            rows[layer].Weight = _counts[layer] == 0 ? 0 : 1.0 / _counts[layer];
        }

        for (int layer = 0; layer < _diagonal.Length; layer++)
        {
            _diagonal[layer]?.BeginUpdate(keep, factors[layer]);
        }

        if (_shares)
        {
            _shared.BeginUpdate(keep);
        }

        layers.Model.CaptureInputs(this);
        _shared.EndUpdate();
        for (int layer = 0; rows is not null && layer < rows.Length; layer++)
        {
            factors[layer] = factors[layer] with { RowsOfA = rows[layer].Rows };
        }
    }

    public void Inputs(int layer, in LayerRows inputs)
    {
        layers.Check(layer, inputs, isInput: true);
        SharingApproximation approximation = layers.ApproximationOf(layer);
        if (_accumulates && _diagonal[layer] is { } adding)
        {
            adding.Add(inputs, approximation, 1 - _keep, factors[layer]);
        }
        else if (_diagonal[layer] is { } counting)
        {
            if (!inputs.IsLookup)
            {
                guard.Search(layers[layer].Name, Quantity, inputs.Rows);
            }

            counting.Count(inputs, approximation);
        }
        else if (_accumulates && _byRows[layer])
        {
            _ = rows![layer].TryAdd(inputs, approximation, SharingScale.Mean);
        }
        else if (_accumulates && _shares && _shared.CopyOf(layer) is >= 0 and int other)
        {
            Elementwise.Copy(stream, factors[other].A, factors[layer].A);
        }
        else if (_accumulates)
        {
            double beta = _seen[layer] ? 1 : _keep;
            FactorMath.AddInputs(
                stream, inputs, approximation, layers[layer].HasBias, _counts[layer], 1 - _keep, beta, factors[layer].A);
        }
        else
        {
            if (!_shared.Note(layer, inputs))
            {
                guard.Search(layers[layer].Name, Quantity, inputs.Rows);
            }

            _counts[layer] += FactorMath.InputCount(inputs, approximation);
            _byRows[layer] = _byRows[layer] && rows![layer].Takes(inputs, approximation);
        }

        _seen[layer] = true;
    }

    /// <summary>The averages may be others from now on.</summary>
    public void Forget() => _shared.Forget();

    public void OutputGradients(int layer, in LayerRows rows) =>
        throw new InvalidOperationException("The model handed over output gradients where inputs were asked for.");

    public void Dispose()
    {
        foreach (DiagonalInputs? diagonal in _diagonal)
        {
            diagonal?.Dispose();
        }
    }

    /// <summary>To the bit, as they are read by the host.</summary>
    private static bool AreEqual(DeviceStream stream, MatrixView<float> left, MatrixView<float> right)
    {
        var values = new float[left.Rows * left.Columns];
        var others = new float[values.Length];
        stream.Download(left.AsVector(), values);
        stream.Download(right.AsVector(), others);
        return MemoryMarshal.AsBytes<float>(values).SequenceEqual(MemoryMarshal.AsBytes<float>(others));
    }
}
