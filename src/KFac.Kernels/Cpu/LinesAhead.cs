using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>Memory that will be read soon: fetched into the second-level cache a few lines at a time, between register tiles,
/// so that packing it later does not wait for memory.</summary>
/// <remarks>A fetch takes about two cycles of the processor, so what lies in adjacent lines is left to the processor's own
/// prefetching.</remarks>
internal unsafe struct LinesAhead
{
    private const int BytesInLine = 64;

    private readonly long _stride;
    private readonly int _bytes;
    private readonly int _linesPerCall;
    private byte* _row;
    private byte* _line;
    private int _rows;

    /// <param name="source">Its first rows and columns are fetched.</param>
    /// <param name="calls">Calls of <see cref="Fetch"/> that the work is spread over.</param>
    public LinesAhead(StridedMatrix source, int rows, int columns, int calls)
    {
        if (source.ColumnStride != 1)
        {
            source = source.Transposed;
            (rows, columns) = (columns, rows);
        }

        _stride = source.RowStride * sizeof(float);
        _bytes = columns * sizeof(float);
        _rows = columns > 0 ? rows : 0;
        long lines = (long)rows * ((_bytes / BytesInLine) + 1);
        _linesPerCall = (int)((lines + calls - 1) / Math.Max(calls, 1));
        StartRow((byte*)source.Data);
    }

    /// <summary>Fetches the next part; nothing once all is fetched, nor in a default value.</summary>
    public void Fetch()
    {
        if (!Sse.IsSupported)
        {
            return;
        }

        int budget = _linesPerCall;
        while (budget > 0 && _rows > 0)
        {
            byte* end = _row + _bytes;
            for (; _line < end && budget > 0; budget--)
            {
                Sse.Prefetch1(_line);
                _line += BytesInLine;
            }

            if (_line >= end)
            {
                StartRow(_row + _stride);
                _rows--;
            }
        }
    }

    /// <summary>Fetches the tile of C that is about to be updated into the first-level cache.</summary>
    public static void FetchTile(float* c, long ldc, int rows, int columns)
    {
        if (!Sse.IsSupported)
        {
            return;
        }

        for (int i = 0; i < rows; i++)
        {
            Sse.Prefetch0(c);
            for (int j = BytesInLine / sizeof(float); j < columns; j += BytesInLine / sizeof(float))
            {
                Sse.Prefetch0(c + j);
            }

            c += ldc;
        }
    }

    private void StartRow(byte* row)
    {
        _row = row;
        _line = (byte*)((nuint)row & ~(nuint)(BytesInLine - 1));
    }
}
