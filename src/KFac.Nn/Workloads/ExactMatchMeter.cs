using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Mean loss per token, and the share of targets of which every token has the largest output, given those before it.</summary>
/// <remarks>The decoder is told the right tokens so far; where all are right, so is what it would say by itself, greedily.</remarks>
public sealed class ExactMatchMeter(DeviceStream stream) : MetricMeter
{
    private float[] _outputs = [];
    private double _loss;
    private long _tokens;
    private long _matches;
    private long _sequences;

    /// <inheritdoc/>
    public override void Reset() => (_loss, _tokens, _matches, _sequences) = (0, 0, 0, 0);

    /// <inheritdoc/>
    public override void Add(Network network, MiniBatch batch)
    {
        ArgumentNullException.ThrowIfNull(network);
        if (batch is not SequenceMiniBatch sequences)
        {
            throw new ArgumentException("Exact match is measured on batches of sequences.", nameof(batch));
        }

        _loss += network.MeanLoss() * network.LossTerms;
        _tokens += network.LossTerms;
        MatrixView<float> outputs = network.Output.Value;
        int length = outputs.Rows * outputs.Columns;
        _outputs = _outputs.Length < length ? new float[length] : _outputs;
        stream.Download(outputs, _outputs.AsSpan(0, length));
        ReadOnlySpan<int> offsets = sequences.TargetSegments.Host;
        for (int n = 0; n < sequences.Count; n++)
        {
            _matches += IsMatch(sequences.HostTargets, offsets[n], offsets[n + 1], outputs.Columns) ? 1 : 0;
        }

        _sequences += sequences.Count;
    }

    /// <inheritdoc/>
    public override void Read(Span<double> values)
    {
        values[0] = _loss / _tokens;
        values[1] = (double)_matches / _sequences;
    }

    private bool IsMatch(ReadOnlySpan<int> targets, int first, int end, int columns)
    {
        for (int row = first; row < end; row++)
        {
            if (Largest(_outputs.AsSpan(row * columns, columns)) != targets[row])
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>The place of the largest, the first of equals.</summary>
    private static int Largest(ReadOnlySpan<float> scores)
    {
        int largest = 0;
        for (int i = 1; i < scores.Length; i++)
        {
            largest = scores[i] > scores[largest] ? i : largest;
        }

        return largest;
    }
}
