using System.Runtime.InteropServices;
using KFac.Kernels;
using Xunit;

namespace KFac.Testing;

/// <summary>A device matrix between guard words: an offset view whose surroundings must not change.</summary>
/// <remarks>Everything is first filled with a NaN of a marked payload, so an output that is read before it is written
/// turns NaN, and a write outside the view is found by <see cref="AssertGuards"/>.</remarks>
public sealed class GuardedMatrix<T>
    where T : unmanaged
{
    private const int GuardElements = 67;
    private const byte GuardByte = 0xFF;

    private readonly DeviceStream _stream;
    private readonly VectorView<T> _whole;
    private readonly T[] _initial;
    private readonly int _offset;

    /// <param name="gap">Elements between the rows.</param>
    /// <param name="offset">Elements before the first, beyond the guard: 1 makes the view unaligned.</param>
    public GuardedMatrix(DeviceStream stream, Arena arena, int rows, int columns, int gap = 0, int offset = 0)
    {
        _stream = stream;
        _offset = GuardElements + offset;
        int stride = columns + gap;
        int length = (2 * GuardElements) + offset + (rows * stride);
        _whole = arena.Vector<T>(length);
        _initial = new T[length];
        MemoryMarshal.AsBytes(_initial.AsSpan()).Fill(GuardByte);
        stream.Upload(_initial, _whole);
        View = _whole.Slice(_offset, rows * stride).AsMatrix(rows, stride).Slice(0, 0, rows, columns);
    }

    /// <summary>The matrix under test.</summary>
    public MatrixView<T> View { get; }

    public GuardedMatrix<T> Write(ReadOnlySpan<T> values)
    {
        _stream.Upload(values, View);
        return this;
    }

    public T[] Read()
    {
        var values = new T[View.Rows * View.Columns];
        _stream.Download(View, values);
        return values;
    }

    /// <summary>Fails when anything outside the view has changed.</summary>
    public void AssertGuards()
    {
        var now = new T[_initial.Length];
        _stream.Download(_whole, now);
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(now.AsSpan());
        int size = bytes.Length / now.Length;
        for (int i = 0; i < now.Length; i++)
        {
            if (!IsInside(i) && bytes.Slice(i * size, size).IndexOfAnyExcept(GuardByte) >= 0)
            {
                Assert.Fail($"Element {i - _offset} relative to a {View} view was overwritten.");
            }
        }
    }

    private bool IsInside(int index)
    {
        int relative = index - _offset;
        return relative >= 0
            && View.RowStride > 0
            && relative / View.RowStride < View.Rows
            && relative % View.RowStride < View.Columns;
    }
}
