using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Forward pass, loss and gradients of one training step after the other. Steps that give the device the same work are
/// recorded once and replayed, which on a GPU is one launch for all their kernels.</summary>
/// <remarks>
/// The first pass of a size runs as it is and shows how much memory it takes; the next one is recorded, and the same pass goes
/// on being replayed until the network has run on something else (an evaluation, say), after which it is recorded again. Random
/// numbers (dropout) are drawn by a key that lies on the device. Not recorded are batches that are not
/// <see cref="MiniBatch.IsRepeatable"/>, passes whose rows the optimizer keeps, and those of a device that gains nothing by it
/// (<see cref="DeviceStream.GainsByReplay"/>). Recorded or not, the bits are the same.
/// </remarks>
public sealed class TrainingPass : IDisposable
{
    private readonly DeviceStream _stream;
    private readonly Network _network;
    private readonly MiniBatch _batch;
    private readonly Action _work;
    private RecordedWork? _recorded;
    private (int Examples, TapeMark Tape) _replayable;
    private (int Examples, long Bytes) _settled;
    private bool _refused;

    /// <summary>For passes of a network on one batch's memory.</summary>
    public TrainingPass(DeviceStream stream, Network network, MiniBatch batch)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(network);
        ArgumentNullException.ThrowIfNull(batch);
        _stream = stream;
        _network = network;
        _batch = batch;
        _work = () => GiveWork(null);
    }

    /// <summary>Is told when forward and backward pass begin; null for nobody. Passes are not recorded then, since the two would be one.</summary>
    public IStepClock? Clock { get; init; }

    /// <summary>Whether a sink may take rows in place of weight gradients, see <see cref="Network.Backward"/>.</summary>
    public bool MayTakeRows { get; init; }

    /// <summary>How many passes were replayed.</summary>
    public long Replays { get; private set; }

    /// <summary>Computes the gradients of the mean loss on the batch as it is filled now, into <see cref="Network.Parameters"/>, less
    /// what the sink takes.</summary>
    /// <param name="sink">As in <see cref="Network.Backward"/>.</param>
    public void Run(ITrainingSink? sink)
    {
        _network.ShowRandomKey();
        bool alone = sink is null || sink.MayBeLeftOut;
        bool repeats = _stream.GainsByReplay && Clock is null && _batch.IsRepeatable && !_refused;
        if (alone && repeats && (IsRecorded() || TryRecord()))
        {
            _stream.Replay(_recorded!);
            _network.Replayed();
            _replayable = (_batch.Count, _network.Mark);
            Replays++;
            return;
        }

        long bytes = _network.Mark.Bytes;
        GiveWork(sink);
        _settled = bytes == _network.Mark.Bytes ? (_batch.Count, bytes) : default;
    }

    /// <summary>The mean loss of the last pass; waits for the device.</summary>
    public double ReadLoss() => _network.ReadMeanLoss();

    /// <inheritdoc/>
    public void Dispose() => _recorded?.Dispose();

    private void GiveWork(ITrainingSink? sink)
    {
        Clock?.Begin(StepPhase.Forward);
        _batch.Forward(_network);
        _network.SetTargets(_batch.Targets);
        _network.SumLosses();
        Clock?.Begin(StepPhase.Backward);
        _network.Backward(sink, MayTakeRows);
    }

    /// <summary>Nothing has touched the tape since, so its memory is where the recording has it.</summary>
    private bool IsRecorded() => _recorded is not null && _replayable == (_batch.Count, _network.Mark);

    private bool TryRecord()
    {
        if (_settled != (_batch.Count, _network.Mark.Bytes))
        {
            return false;
        }

        try
        {
            _recorded = _stream.Record(_work, _recorded);
            return true;
        }
        catch (Exception exception) when (exception is InvalidOperationException or OutOfMemoryException)
        {
            // The pass copies from or to the host, or the graph has no room: that would not change.
            _refused = true;
            return false;
        }
    }
}

/// <summary>What a recorded pass depends on: it may be replayed while this is the same.</summary>
/// <param name="Generation">Counts the forward passes.</param>
/// <param name="Evaluations">Counts the evaluations of the loss, each of which has memory of its own until the next forward pass.</param>
/// <param name="Bytes">Memory of the tape, which grows where a pass needs more; only then do addresses change.</param>
/// <param name="Training">Whether forward passes train.</param>
/// <param name="Seed">Of the random numbers.</param>
internal readonly record struct TapeMark(int Generation, long Evaluations, long Bytes, bool Training, ulong Seed);
