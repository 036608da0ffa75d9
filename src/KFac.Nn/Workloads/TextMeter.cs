namespace KFac.Nn;

/// <summary>Mean loss per character, in nats and in bits.</summary>
public sealed class TextMeter : MetricMeter
{
    private double _loss;
    private long _characters;

    /// <inheritdoc/>
    public override void Reset() => (_loss, _characters) = (0, 0);

    /// <inheritdoc/>
    public override void Add(Network network, MiniBatch batch)
    {
        ArgumentNullException.ThrowIfNull(network);
        _loss += network.MeanLoss() * network.LossTerms;
        _characters += network.LossTerms;
    }

    /// <inheritdoc/>
    public override void Read(Span<double> values)
    {
        values[0] = _loss / _characters;
        values[1] = _loss / _characters / Math.Log(2);
    }
}
