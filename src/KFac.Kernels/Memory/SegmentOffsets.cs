namespace KFac.Kernels;

/// <summary>Where each example's rows begin in a matrix of ragged rows: example n has rows <c>offset[n]</c> to <c>offset[n+1]</c>.</summary>
/// <remarks>Checked once, here, on the host; operations trust it. An example may have no rows.</remarks>
public sealed class SegmentOffsets
{
    private int[] _offsets = [0];
    private int _count = 1;

    private SegmentOffsets()
    {
    }

    /// <summary>Number of examples M.</summary>
    public int Segments => _count - 1;

    /// <summary>Number of rows R_M.</summary>
    public int Rows => _offsets[_count - 1];

    /// <summary>The M+1 offsets on the host.</summary>
    public ReadOnlySpan<int> Host => _offsets.AsSpan(0, _count);

    /// <summary>The M+1 offsets on the device.</summary>
    internal VectorView<int> View { get; private set; }

    /// <summary>Makes offsets from M+1 ascending numbers that start at 0.</summary>
    /// <exception cref="ArgumentException">Names the first offending entry.</exception>
    public static SegmentOffsets FromOffsets(DeviceStream stream, Arena arena, ReadOnlySpan<int> offsets)
    {
        var segments = new SegmentOffsets();
        segments.Refill(stream, arena, offsets);
        return segments;
    }

    /// <summary>Replaces the offsets, in host memory that stays: once the sizes have settled nothing is allocated there.</summary>
    /// <remarks>Refused offsets leave the old ones. What would still use those, such as a tape's backward pass, must have ended.</remarks>
    /// <exception cref="ArgumentException">Names the first offending entry.</exception>
    public void Refill(DeviceStream stream, Arena arena, ReadOnlySpan<int> offsets)
    {
        ArgumentNullException.ThrowIfNull(stream);
        ArgumentNullException.ThrowIfNull(arena);
        if (offsets.IsEmpty || offsets[0] != 0)
        {
            throw new ArgumentException("Segment offsets must start with 0 and hold one entry more than there are segments.");
        }

        for (int n = 1; n < offsets.Length; n++)
        {
            if (offsets[n] < offsets[n - 1])
            {
                throw new ArgumentException($"Segment offset {n} is {offsets[n]}, less than its predecessor {offsets[n - 1]}; wanted ascending offsets.");
            }
        }

        if (_offsets.Length < offsets.Length)
        {
            _offsets = new int[offsets.Length];
        }

        offsets.CopyTo(_offsets);
        _count = offsets.Length;
        View = arena.Vector<int>(_count);
        stream.Upload(offsets, View);
    }

    /// <summary>Makes offsets from one example index per row, non-decreasing.</summary>
    /// <param name="segments">M; examples without rows, also at the end, count.</param>
    /// <exception cref="ArgumentException">Names the first row whose index is out of range or out of order.</exception>
    public static SegmentOffsets FromIndices(DeviceStream stream, Arena arena, ReadOnlySpan<int> indices, int segments)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(segments);
        var offsets = new int[segments + 1];
        int previous = 0;
        for (int row = 0; row < indices.Length; row++)
        {
            int index = indices[row];
            if (index < 0 || index >= segments)
            {
                throw new ArgumentException($"Segment index of row {row} is {index}; wanted 0 to {segments - 1}.");
            }

            if (index < previous)
            {
                throw new ArgumentException($"Segment index of row {row} is {index}, less than {previous} before it; wanted non-decreasing indices.");
            }

            previous = index;
            offsets[index + 1]++;
        }

        for (int n = 0; n < segments; n++)
        {
            offsets[n + 1] += offsets[n];
        }

        return FromOffsets(stream, arena, offsets);
    }
}
