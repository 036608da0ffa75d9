using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Pairs of sequences, ragged: the decoder reads begin and the target, and is to say the target and end.</summary>
internal sealed class SequenceMiniBatch : MiniBatch
{
    private readonly DeviceStream _stream;
    private readonly SequenceProblem _problem;
    private readonly Arena _arena;
    private readonly Arena _segmentArena;
    private readonly VectorView<int> _source;
    private readonly VectorView<int> _inputs;
    private readonly VectorView<int> _targets;
    private readonly int[] _hostSource;
    private readonly int[] _hostInputs;
    private readonly int[] _hostTargets;
    private readonly int[] _sourceOffsets;
    private readonly int[] _targetOffsets;
    private readonly int[] _sourceSymbols;
    private readonly int[] _targetSymbols;
    private readonly PhiloxGenerator _random = new(default);
    private SegmentOffsets? _sourceSegments;
    private SegmentOffsets? _targetSegments;

    public SequenceMiniBatch(DeviceStream stream, SequenceProblem problem, int capacity)
    {
        _stream = stream;
        _problem = problem;
        int longest = problem.Task.Longest;
        _arena = new Arena(stream.Device);
        _segmentArena = new Arena(stream.Device);
        _source = _arena.Vector<int>(capacity * longest);
        _inputs = _arena.Vector<int>(capacity * (longest + 1));
        _targets = _arena.Vector<int>(capacity * (longest + 1));
        _hostSource = new int[_source.Length];
        _hostInputs = new int[_inputs.Length];
        _hostTargets = new int[_targets.Length];
        _sourceOffsets = new int[capacity + 1];
        _targetOffsets = new int[capacity + 1];
        _sourceSymbols = new int[longest];
        _targetSymbols = new int[longest];
    }

    public override int Count => _targetSegments?.Segments ?? 0;

    /// <summary>Each batch has sequences of other lengths, and so another number of rows.</summary>
    public override bool IsRepeatable => false;

    public override Targets Targets => Targets.Of(_targets.Slice(0, Segments(_targetSegments).Rows));

    /// <summary>Where each target begins, for measures of whole sequences.</summary>
    public SegmentOffsets TargetSegments => Segments(_targetSegments);

    /// <summary>The targets on the host, segment after segment.</summary>
    public ReadOnlySpan<int> HostTargets => _hostTargets.AsSpan(0, TargetSegments.Rows);

    public override void FillForTraining(ReadOnlySpan<int> examples, PhiloxKey key)
    {
        for (int i = 0; i < examples.Length; i++)
        {
            Stage(i, examples[i]);
        }

        Upload(examples.Length);
    }

    public override void Fill(DataPart part, int start, int count)
    {
        for (int i = 0; i < count; i++)
        {
            Stage(i, _problem.FirstOf(part) + start + i);
        }

        Upload(count);
    }

    public override Variable Forward(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        SegmentOffsets source = Segments(_sourceSegments);
        SegmentOffsets target = Segments(_targetSegments);
        return network.Forward(
            TokenSequences.Ragged(_inputs.Slice(0, target.Rows), target), TokenSequences.Ragged(_source.Slice(0, source.Rows), source));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _segmentArena.Dispose();
            _arena.Dispose();
        }

        base.Dispose(disposing);
    }

    private static SegmentOffsets Segments(SegmentOffsets? segments) =>
        segments ?? throw new InvalidOperationException("The batch is empty; fill it first.");

    private void Stage(int place, int pair)
    {
        int length = _problem.Task.Write(pair, _random, _sourceSymbols, _targetSymbols);
        (int source, int target) = (_sourceOffsets[place], _targetOffsets[place]);
        _sourceSymbols.AsSpan(0, length).CopyTo(_hostSource.AsSpan(source));
        _hostInputs[target] = SequenceTask.Begin;
        _targetSymbols.AsSpan(0, length).CopyTo(_hostInputs.AsSpan(target + 1));
        _targetSymbols.AsSpan(0, length).CopyTo(_hostTargets.AsSpan(target));
        _hostTargets[target + length] = SequenceTask.End;
        _sourceOffsets[place + 1] = source + length;
        _targetOffsets[place + 1] = target + length + 1;
    }

    private void Upload(int count)
    {
        _segmentArena.Reset();
        _sourceSegments = Describe(_sourceSegments, _sourceOffsets.AsSpan(0, count + 1));
        _targetSegments = Describe(_targetSegments, _targetOffsets.AsSpan(0, count + 1));
        _stream.Upload(_hostSource.AsSpan(0, _sourceSegments.Rows), _source.Slice(0, _sourceSegments.Rows));
        _stream.Upload(_hostInputs.AsSpan(0, _targetSegments.Rows), _inputs.Slice(0, _targetSegments.Rows));
        _stream.Upload(_hostTargets.AsSpan(0, _targetSegments.Rows), _targets.Slice(0, _targetSegments.Rows));
    }

    private SegmentOffsets Describe(SegmentOffsets? segments, ReadOnlySpan<int> offsets)
    {
        if (segments is null)
        {
            return SegmentOffsets.FromOffsets(_stream, _segmentArena, offsets);
        }

        segments.Refill(_stream, _segmentArena, offsets);
        return segments;
    }
}
