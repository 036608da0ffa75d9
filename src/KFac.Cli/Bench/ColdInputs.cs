using KFac.Kernels;

namespace KFac.Cli;

/// <summary>Copies of a matrix of normal numbers that take turns, so that each run's input comes from memory as in training, not from a cache.</summary>
internal sealed class ColdInputs
{
    private const long BytesBeyondCaches = 256 << 20;
    private const int MostCopies = 64;

    private readonly MatrixView<float>[] _copies;
    private int _turn;

    /// <param name="sequence">Of the random numbers; another for every operand.</param>
    public ColdInputs(Arena arena, int rows, int columns, ulong seed, ulong sequence)
    {
        long bytes = (long)rows * columns * sizeof(float);
        _copies = new MatrixView<float>[Math.Clamp(BytesBeyondCaches / bytes, 1, MostCopies)];
        for (int i = 0; i < _copies.Length; i++)
        {
            _copies[i] = arena.Matrix<float>(rows, columns);
            Philox.Normal(arena.Device.DefaultStream, new PhiloxKey(seed, sequence), 0, _copies[i].AsVector());
        }
    }

    /// <summary>Copies there are; the peer takes as many.</summary>
    public int Count => _copies.Length;

    /// <summary>The copy whose turn it is.</summary>
    public MatrixView<float> Next() => _copies[_turn++ % _copies.Length];
}
