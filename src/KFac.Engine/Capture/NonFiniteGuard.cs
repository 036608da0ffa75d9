using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Collects searches for NaN and infinity, and names the first that found one when asked.</summary>
/// <remarks>The searches of a whole step are read back together, so a device is waited for once. That of all gradients has a place
/// of its own, since captures may be replayed that do not pass through this object again: their recording keeps what they searched
/// (<see cref="SearchesSince"/>). Room for more searches is added beside what
/// there is: recorded searches go on writing where they wrote, and captures that are recorded find the room that they took when they
/// were given before.</remarks>
internal sealed class NonFiniteGuard : IDisposable
{
    private readonly DeviceStream _stream;
    private readonly Arena _arena;
    private readonly List<VectorView<long>> _found;
    private long[] _host;
    private Searched[] _searched;
    private ParameterSet? _gradients;

    /// <param name="capacity">Searches of captures between two readings, at least 1; more make room for as many again.</param>
    public NonFiniteGuard(DeviceStream stream, int capacity)
    {
        _stream = stream;
        _arena = new Arena(stream.Device);
        _found = [_arena.Vector<long>(1 + capacity)];
        _host = new long[1 + capacity];
        _searched = new Searched[capacity];
    }

    /// <summary>Searches of captures since the last reading.</summary>
    public int Count { get; private set; }

    /// <summary>Forgets searches: of captures all but the first, and that of the gradients.</summary>
    /// <param name="keep">How many of captures still count.</param>
    public void Clear(int keep = 0) => (Count, _gradients) = (keep, null);

    /// <summary>What was searched after the first searches of captures.</summary>
    public Searched[] SearchesSince(int first) => _searched[first..Count];

    /// <summary>Takes note that captures were replayed, which made their searches on the device alone.</summary>
    /// <param name="searches">As <see cref="SearchesSince"/> told when they were recorded, after as many others as now.</param>
    public void Replayed(Searched[] searches)
    {
        searches.CopyTo(_searched, Count);
        Count += searches.Length;
    }

    /// <summary>Searches what a layer handed over.</summary>
    public void Search(string layer, string quantity, MatrixView<float> matrix)
    {
        if (Count == _searched.Length)
        {
            Grow();
        }

        Reduction.FirstNonFinite(_stream, matrix, Place(1 + Count));
        _searched[Count++] = new Searched(layer, quantity, matrix.Columns);
    }

    /// <summary>Searches all gradients; what is found is named by its parameter, and before anything else.</summary>
    public void SearchGradients(ParameterSet parameters)
    {
        Reduction.FirstNonFinite(_stream, parameters.Gradients.AsMatrix(1, parameters.Gradients.Length), Place(0));
        _gradients = parameters;
    }

    /// <exception cref="NonFiniteCaptureException">One of the searches since the last call found something.</exception>
    public void ThrowIfFound()
    {
        (int count, ParameterSet? gradients) = (Count, _gradients);
        Clear();
        if (count == 0 && gradients is null)
        {
            return;
        }

        Download(1 + count);
        if (gradients is not null && _host[0] != Reduction.None)
        {
            throw Locate(gradients.Blocks, _host[0]);
        }

        for (int i = 0; i < count; i++)
        {
            if (_host[1 + i] != Reduction.None)
            {
                (string layer, string quantity, int columns) = _searched[i];
                throw new NonFiniteCaptureException(layer, quantity, _host[1 + i] / columns, _host[1 + i] % columns);
            }
        }
    }

    public void Dispose() => _arena.Dispose();

    private static NonFiniteCaptureException Locate(IReadOnlyList<ParameterBlock> blocks, long index)
    {
        ParameterBlock block = blocks.Last(block => block.Offset <= index);
        long inside = index - block.Offset;
        return new NonFiniteCaptureException(block.Name, "weight gradients", inside / block.Columns, inside % block.Columns);
    }

    private void Grow()
    {
        int more = _searched.Length;
        _found.Add(_arena.Vector<long>(more));
        Array.Resize(ref _searched, _searched.Length + more);
        Array.Resize(ref _host, _host.Length + more);
    }

    private VectorView<long> Place(int index)
    {
        int part = 0;
        for (; index >= _found[part].Length; part++)
        {
            index -= _found[part].Length;
        }

        return _found[part].Slice(index, 1);
    }

    private void Download(int count)
    {
        int first = 0;
        for (int part = 0; first < count; part++)
        {
            int length = Math.Min(_found[part].Length, count - first);
            _stream.Download(_found[part].Slice(0, length), _host.AsSpan(first, length));
            first += length;
        }
    }

    /// <summary>What a search went through.</summary>
    internal readonly record struct Searched(string Layer, string Quantity, int Columns);
}
