using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Collects searches for NaN and infinity, and names the first that found one when asked.</summary>
/// <remarks>The searches of a whole pass are read back together, so a device is waited for once.</remarks>
internal sealed class NonFiniteGuard : IDisposable
{
    private readonly DeviceStream _stream;
    private readonly Arena _arena;
    private readonly VectorView<long> _found;
    private readonly long[] _host;
    private readonly (string Layer, int Columns)[] _searched;
    private int _count;

    /// <param name="capacity">Searches between two readings; more are read in between.</param>
    public NonFiniteGuard(DeviceStream stream, int capacity)
    {
        _stream = stream;
        _arena = new Arena(stream.Device);
        _found = _arena.Vector<long>(capacity);
        _host = new long[capacity];
        _searched = new (string, int)[capacity];
    }

    /// <summary>Forgets the searches of a pass that was abandoned.</summary>
    public void Clear() => _count = 0;

    public void Search(string layer, string quantity, MatrixView<float> matrix)
    {
        if (_count == _host.Length)
        {
            ThrowIfFound(quantity);
        }

        Reduction.FirstNonFinite(_stream, matrix, _found.Slice(_count, 1));
        _searched[_count++] = (layer, matrix.Columns);
    }

    /// <exception cref="NonFiniteCaptureException">One of the searches since the last call found something.</exception>
    public void ThrowIfFound(string quantity)
    {
        int count = _count;
        _count = 0;
        _stream.Download(_found.Slice(0, count), _host.AsSpan(0, count));
        for (int i = 0; i < count; i++)
        {
            if (_host[i] != Reduction.None)
            {
                (string layer, int columns) = _searched[i];
                throw new NonFiniteCaptureException(layer, quantity, _host[i] / columns, _host[i] % columns);
            }
        }
    }

    public void Dispose() => _arena.Dispose();
}
