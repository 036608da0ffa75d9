using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Collects searches for NaN and infinity, and names the first that found one when asked.</summary>
/// <remarks>The searches of a whole step are read back together, so a device is waited for once. That of all gradients has a place
/// of its own, since captures may be replayed that do not pass through this object again.</remarks>
internal sealed class NonFiniteGuard : IDisposable
{
    private readonly DeviceStream _stream;
    private readonly Arena _arena;
    private readonly VectorView<long> _found;
    private readonly long[] _host;
    private readonly (string Layer, string Quantity, int Columns)[] _searched;
    private ParameterSet? _gradients;

    /// <param name="capacity">Searches of captures between two readings; more are read in between.</param>
    public NonFiniteGuard(DeviceStream stream, int capacity)
    {
        _stream = stream;
        _arena = new Arena(stream.Device);
        _found = _arena.Vector<long>(1 + capacity);
        _host = new long[1 + capacity];
        _searched = new (string, string, int)[capacity];
    }

    /// <summary>Searches of captures since the last reading. Captures that are replayed make theirs on the device alone: the guard is then
    /// told how many there were when they were given.</summary>
    public int Count { get; set; }

    /// <summary>Forgets the searches of a pass that was abandoned.</summary>
    public void Clear() => (Count, _gradients) = (0, null);

    /// <summary>Searches what a layer handed over.</summary>
    public void Search(string layer, string quantity, MatrixView<float> matrix)
    {
        if (Count == _searched.Length)
        {
            ThrowIfFound();
        }

        Reduction.FirstNonFinite(_stream, matrix, _found.Slice(1 + Count, 1));
        _searched[Count++] = (layer, quantity, matrix.Columns);
    }

    /// <summary>Searches all gradients; what is found is named by its parameter, and before anything else.</summary>
    public void SearchGradients(ParameterSet parameters)
    {
        Reduction.FirstNonFinite(_stream, parameters.Gradients.AsMatrix(1, parameters.Gradients.Length), _found.Slice(0, 1));
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

        _stream.Download(_found.Slice(0, 1 + count), _host.AsSpan(0, 1 + count));
        if (gradients is not null && _host[0] != Reduction.None)
        {
            throw GradientCheck.Locate(gradients.Blocks, _host[0]);
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
}
