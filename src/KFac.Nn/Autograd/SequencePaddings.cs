using KFac.Kernels;

namespace KFac.Nn;

/// <summary>The paddings of one forward pass: each set of segments is described once, however many layers ask for it.</summary>
internal sealed class SequencePaddings
{
    private readonly List<SequencePadding> _paddings = [];

    /// <summary>How sequences of these segments are padded.</summary>
    /// <param name="memory">Takes the description; lasts until <see cref="Clear"/>.</param>
    public SequencePadding Of(SegmentOffsets segments, DeviceStream stream, Arena memory)
    {
        SequencePadding? free = null;
        foreach (SequencePadding padding in _paddings)
        {
            if (ReferenceEquals(padding.Segments, segments))
            {
                return padding;
            }

            free = padding.Segments is null ? padding : free;
        }

        if (free is null)
        {
            free = new SequencePadding();
            _paddings.Add(free);
        }

        free.Describe(stream, memory, segments);
        return free;
    }

    /// <summary>Forgets all segments.</summary>
    public void Clear()
    {
        foreach (SequencePadding padding in _paddings)
        {
            padding.Clear();
        }
    }
}
