using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Takes the layers' inputs twice: to check and count them, then to add them to the moving averages of A.</summary>
/// <remarks>Inputs cost nothing to hand over again, so the second pass can write straight into the averages: nothing is
/// staged, and nothing is half updated when a later layer turns out to hold a NaN.</remarks>
internal sealed class InputCollector(DeviceStream stream, CaptureLayers layers, KroneckerPair[] factors, NonFiniteGuard guard)
    : ICaptureSink
{
    private const string Quantity = "inputs";

    private readonly long[] _counts = new long[layers.Count];
    private readonly bool[] _seen = new bool[layers.Count];
    private bool _accumulates;
    private double _keep;

    /// <summary>Checks what every layer hands over and counts the rows or examples that A is the mean over.</summary>
    /// <exception cref="NonFiniteCaptureException">Some input is not finite.</exception>
    /// <exception cref="InvalidOperationException">Some layer hands over nothing.</exception>
    public void Check()
    {
        guard.Clear();
        Array.Clear(_counts);
        Array.Clear(_seen);
        _accumulates = false;
        layers.Model.CaptureInputs(this);
        guard.ThrowIfFound(Quantity);
        layers.RequireAll(_seen, Quantity);
    }

    /// <summary><c>A ← keep·A + (1 − keep)·A_batch</c>; after <see cref="Check"/> of the same forward pass.</summary>
    public void Accumulate(double keep)
    {
        Array.Clear(_seen);
        _accumulates = true;
        _keep = keep;
        layers.Model.CaptureInputs(this);
    }

    public void Inputs(int layer, in LayerRows rows)
    {
        layers.Check(layer, rows, isInput: true);
        SharingApproximation approximation = layers.ApproximationOf(layer);
        if (_accumulates)
        {
            double beta = _seen[layer] ? 1 : _keep;
            FactorMath.AddInputs(
                stream, rows, approximation, layers[layer].HasBias, _counts[layer], 1 - _keep, beta, factors[layer].A);
        }
        else
        {
            guard.Search(layers[layer].Name, Quantity, rows.Rows);
            _counts[layer] += FactorMath.InputCount(rows, approximation);
        }

        _seen[layer] = true;
    }

    public void OutputGradients(int layer, in LayerRows rows) =>
        throw new InvalidOperationException("The model handed over output gradients where inputs were asked for.");
}
