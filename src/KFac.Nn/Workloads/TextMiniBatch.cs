using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Windows of a text: inputs are characters, targets those that follow.</summary>
internal sealed class TextMiniBatch : MiniBatch
{
    private readonly DeviceStream _stream;
    private readonly TextProblem _problem;
    private readonly int _length;
    private readonly Arena _arena;
    private readonly VectorView<int> _inputs;
    private readonly VectorView<int> _targets;
    private readonly int[] _host;
    private readonly PhiloxGenerator _random = new(default);
    private int _count;

    public TextMiniBatch(DeviceStream stream, TextProblem problem, int capacity, int length)
    {
        _stream = stream;
        _problem = problem;
        _length = length;
        _arena = new Arena(stream.Device);
        _inputs = _arena.Vector<int>(capacity * length);
        _targets = _arena.Vector<int>(capacity * length);
        _host = new int[capacity * length];
    }

    public override int Count => _count;

    public override bool IsRepeatable => true;

    public override Targets Targets => Targets.Of(_targets.Slice(0, _count * _length));

    public override void FillForTraining(ReadOnlySpan<int> examples, PhiloxKey key)
    {
        _random.Restart(key);
        int shift = _random.NextBelow(_length);
        _count = examples.Length;
        Upload(_problem.Text.Train[shift..], examples, 0, _inputs);
        Upload(_problem.Text.Train[(shift + 1)..], examples, 0, _targets);
    }

    public override void Fill(DataPart part, int start, int count)
    {
        ReadOnlySpan<int> text = part switch
        {
            DataPart.Train => _problem.Text.Train,
            DataPart.Validation => _problem.Text.Validation,
            _ => throw new ArgumentException($"There is no {part} text.", nameof(part)),
        };
        _count = count;
        Upload(text, default, start, _inputs);
        Upload(text[1..], default, start, _targets);
    }

    public override Variable Forward(Network network)
    {
        ArgumentNullException.ThrowIfNull(network);
        return network.Forward(TokenSequences.Uniform(_inputs.Slice(0, _count * _length), _count));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            _arena.Dispose();
        }

        base.Dispose(disposing);
    }

    /// <summary>Copies the named windows of a text, or consecutive ones where none are named.</summary>
    private void Upload(ReadOnlySpan<int> text, ReadOnlySpan<int> examples, int start, VectorView<int> destination)
    {
        for (int i = 0; i < _count; i++)
        {
            int window = examples.IsEmpty ? start + i : examples[i];
            text.Slice(window * _length, _length).CopyTo(_host.AsSpan(i * _length));
        }

        _stream.Upload(_host.AsSpan(0, _count * _length), destination.Slice(0, _count * _length));
    }
}
