using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Mean loss and squared error <c>Σ (σ(z) − x)²</c> per example, of outputs z that are logits of the targets x.</summary>
public sealed class ReconstructionMeter(DeviceStream stream) : MetricMeter
{
    private readonly Arena _scratch = new(stream.Device);
    private double _loss;
    private double _squaredError;
    private long _examples;

    /// <inheritdoc/>
    public override void Reset() => (_loss, _squaredError, _examples) = (0, 0, 0);

    /// <inheritdoc/>
    public override void Add(Network network, MiniBatch batch)
    {
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(batch);
        _loss += network.MeanLoss() * batch.Count;
        _squaredError += SquaredError(network.Output.Value, batch.Targets.Values);
        _examples += batch.Count;
    }

    /// <inheritdoc/>
    public override void Read(Span<double> values)
    {
        values[0] = _loss / _examples;
        values[1] = _squaredError / _examples;
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _scratch.Dispose();
        }

        base.Dispose(disposing);
    }

    private double SquaredError(MatrixView<float> logits, MatrixView<float> targets)
    {
        _scratch.Reset();
        MatrixView<float> error = _scratch.Matrix<float>(logits.Rows, logits.Columns);
        VectorView<double> sum = _scratch.Vector<double>(1);
        Activation.Forward(stream, ActivationKind.Sigmoid, logits, error);
        Elementwise.Axpby(stream, -1f, targets, 1f, error);
        Reduction.Dot(stream, error, error, sum);
        return stream.Read(sum);
    }
}
