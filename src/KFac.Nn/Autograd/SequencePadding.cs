using KFac.Kernels;

namespace KFac.Nn;

/// <summary>How ragged sequences lie when each is padded to the length of the longest, which attention wants.</summary>
/// <remarks>Made once per forward pass and segments (<see cref="Tape.PaddingOf"/>); padding exists only inside the attention.</remarks>
internal sealed class SequencePadding
{
    private int[] _host = [];

    public SegmentOffsets? Segments { get; private set; }

    /// <summary>L, rows of the longest sequence.</summary>
    public int Length { get; private set; }

    /// <summary>[M], rows of each sequence.</summary>
    public VectorView<int> Counts { get; private set; }

    /// <summary>[M·L], the ragged row that each padded row is, or −1.</summary>
    private VectorView<int> RaggedRows { get; set; }

    /// <summary>[R_M], the padded row that each ragged row is.</summary>
    private VectorView<int> PaddedRows { get; set; }

    /// <summary>Describes segments; the views last as long as what the arena gives.</summary>
    public void Describe(DeviceStream stream, Arena arena, SegmentOffsets segments)
    {
        Segments = segments;
        Length = 0;
        for (int n = 0; n < segments.Segments; n++)
        {
            Length = Math.Max(Length, segments.Host[n + 1] - segments.Host[n]);
        }

        int padded = segments.Segments * Length;
        if (_host.Length < Math.Max(padded, segments.Rows))
        {
            _host = new int[Math.Max(padded, segments.Rows)];
        }

        Counts = arena.Vector<int>(segments.Segments);
        RaggedRows = arena.Vector<int>(padded);
        PaddedRows = arena.Vector<int>(segments.Rows);
        Write(segments);
        stream.Upload(_host.AsSpan(0, padded), RaggedRows);
        for (int i = 0, row = 0; i < padded; i++)
        {
            if (_host[i] != RowGather.None)
            {
                _host[row++] = i;
            }
        }

        stream.Upload(_host.AsSpan(0, segments.Rows), PaddedRows);
        for (int n = 0; n < segments.Segments; n++)
        {
            _host[n] = segments.Host[n + 1] - segments.Host[n];
        }

        stream.Upload(_host.AsSpan(0, segments.Segments), Counts);
    }

    /// <summary>Forgets the segments.</summary>
    public void Clear() => Segments = null;

    /// <summary>[S·R_M, P] to [S·M·L, P], with zeros as padding.</summary>
    public void Pad(DeviceStream stream, MatrixView<float> ragged, int seeds, MatrixView<float> padded) =>
        Gather(stream, ragged, RaggedRows, seeds, padded);

    /// <summary>[S·M·L, P] to [S·R_M, P].</summary>
    public void Unpad(DeviceStream stream, MatrixView<float> padded, int seeds, MatrixView<float> ragged) =>
        Gather(stream, padded, PaddedRows, seeds, ragged);

    private static void Gather(DeviceStream stream, MatrixView<float> x, VectorView<int> rows, int seeds, MatrixView<float> y)
    {
        (int from, int to) = (x.Rows / seeds, y.Rows / seeds);
        for (int seed = 0; seed < seeds; seed++)
        {
            RowGather.Gather(stream, x.RowRange(seed * from, from), rows, y.RowRange(seed * to, to));
        }
    }

    private void Write(SegmentOffsets segments)
    {
        for (int n = 0; n < segments.Segments; n++)
        {
            int count = segments.Host[n + 1] - segments.Host[n];
            for (int t = 0; t < Length; t++)
            {
                _host[(n * Length) + t] = t < count ? segments.Host[n] + t : RowGather.None;
            }
        }
    }
}
