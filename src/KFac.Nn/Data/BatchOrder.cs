using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Which examples make up each mini-batch: every epoch is a new random permutation, cut into batches.</summary>
/// <remarks>
/// The permutation is drawn from the seed and the epoch's number alone, so seed, epoch and position are the whole state
/// and any point of training can be restored. Where the batch size does not divide the number of examples, an epoch
/// leaves the last few of its permutation out; which ones changes from epoch to epoch.
/// </remarks>
public sealed class BatchOrder : IStateful
{
    private const ulong Sequence = 0x4F52_4445_5200_0000;

    private readonly int[] _permutation;
    private readonly ulong _seed;
    private readonly int _batchSize;
    private long _epoch;
    private long _position;
    private long _shuffledEpoch = -1;

    /// <summary>Stands at the start of epoch 0.</summary>
    /// <exception cref="ArgumentException">A batch holds no example, or more than there are.</exception>
    public BatchOrder(int examples, int batchSize, ulong seed)
    {
        if (batchSize < 1 || batchSize > examples)
        {
            throw new ArgumentException($"The batch size is {batchSize}; wanted 1 to {examples}, the number of training examples.");
        }

        _permutation = new int[examples];
        _batchSize = batchSize;
        _seed = seed;
    }

    /// <summary>Whole batches in an epoch.</summary>
    public int BatchesPerEpoch => _permutation.Length / _batchSize;

    /// <summary>The indices of the next batch's examples; valid until the next call.</summary>
    public ReadOnlySpan<int> Next()
    {
        if (_position == BatchesPerEpoch)
        {
            _epoch++;
            _position = 0;
        }

        if (_shuffledEpoch != _epoch)
        {
            Shuffle();
        }

        return _permutation.AsSpan((int)_position++ * _batchSize, _batchSize);
    }

    /// <inheritdoc/>
    public void VisitState(IStateVisitor visitor)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        visitor.Integer("epoch", ref _epoch);
        visitor.Integer("position", ref _position);
    }

    private void Shuffle()
    {
        for (int i = 0; i < _permutation.Length; i++)
        {
            _permutation[i] = i;
        }

        new PhiloxGenerator(new PhiloxKey(_seed, Sequence + (ulong)_epoch)).Shuffle(_permutation.AsSpan());
        _shuffledEpoch = _epoch;
    }
}
