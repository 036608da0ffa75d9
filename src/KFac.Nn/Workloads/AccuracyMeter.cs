namespace KFac.Nn;

/// <summary>Mean loss and share of right labels, over output rows.</summary>
public sealed class AccuracyMeter : MetricMeter
{
    private double _loss;
    private long _correct;
    private long _rows;

    /// <inheritdoc/>
    public override void Reset() => (_loss, _correct, _rows) = (0, 0, 0);

    /// <inheritdoc/>
    public override void Add(Network network, MiniBatch batch)
    {
        ArgumentNullException.ThrowIfNull(network);
        int rows = network.LossTerms;
        _loss += network.MeanLoss() * rows;
        _correct += network.CorrectCount();
        _rows += rows;
    }

    /// <inheritdoc/>
    public override void Read(Span<double> values)
    {
        values[0] = _loss / _rows;
        values[1] = (double)_correct / _rows;
    }
}
