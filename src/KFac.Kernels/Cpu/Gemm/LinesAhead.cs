using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>Memory that will be read soon: fetched a line at a time, every so many steps of a register tile, so that reading it later
/// does not wait for memory.</summary>
/// <remarks>A line between two steps costs nothing that the multiply-adds leave idle. The same lines in bursts between tiles cost
/// 4 to 8% of the time of a Gram matrix of width 384: a burst fills the queue of misses, and the next tile waits for its own. Lines are
/// fetched through the first-level cache, from where they move on to the second; straight to the second the same matrix takes 2 to 5%
/// longer on a Zen 5, and products the same.</remarks>
internal unsafe struct LinesAhead
{
    private readonly long _stride;
    private readonly long _bytes;
    private byte* _row;
    private byte* _line;
    private byte* _end;
    private int _rows;

    /// <param name="source">Its first rows and columns are fetched.</param>
    /// <param name="steps">Steps of tiles that the work is spread over.</param>
    public LinesAhead(StridedMatrix source, int rows, int columns, long steps)
    {
        if (source.ColumnStride != 1)
        {
            source = source.Transposed;
            (rows, columns) = (columns, rows);
        }

        _stride = source.RowStride * sizeof(float);
        _bytes = (long)columns * sizeof(float);
        _rows = columns > 0 ? rows : 0;
        if (_stride == _bytes && _rows > 0)
        {
            _bytes *= rows;
            _rows = 1;
        }

        long lines = _rows * ((_bytes / CacheLine.Bytes) + 1);
        StepsPerLine = (int)Math.Clamp(steps / Math.Max(lines, 1), 1, int.MaxValue);
        StartRow((byte*)source.Data);
    }

    /// <summary>Steps of k from a line to the next; 0 in a default value, which tiles that fetch must not be given.</summary>
    public int StepsPerLine { get; }

    /// <summary>Whether nothing is left to fetch, as in a default value.</summary>
    public readonly bool IsDone => _rows <= 0;

    /// <summary>Fetches the next line; nothing once all are fetched.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Fetch()
    {
        if (IsDone)
        {
            return;
        }

        if (Sse.IsSupported)
        {
            Sse.Prefetch0(_line);
        }

        _line += CacheLine.Bytes;
        if (_line >= _end)
        {
            StartRow(_row + _stride);
            _rows--;
        }
    }

    /// <summary>Fetches the tile of C that is about to be updated into the first-level cache.</summary>
    public static void FetchTile(float* c, long ldc, int rows, int columns)
    {
        for (int i = 0; i < rows; i++)
        {
            CacheLine.Fetch(c + (i * ldc), columns);
        }
    }

    private void StartRow(byte* row)
    {
        _row = row;
        _line = (byte*)((nuint)row & ~(nuint)(CacheLine.Bytes - 1));
        _end = row + _bytes;
    }
}
