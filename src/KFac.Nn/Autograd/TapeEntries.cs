using KFac.Engine;
using KFac.Kernels;

namespace KFac.Nn;

/// <summary>One recorded value, and its gradient while a backward pass runs.</summary>
internal struct TapeEntry
{
    public TapeOperation? Operation;
    public MatrixView<float> Value;
    public TensorShape Shape;
    public SegmentOffsets? Segments;
    public VectorView<int> Indices;
    public Variable? Context;
    public bool NeedsGradient;
    public MatrixView<float> Gradient;
    public bool HasGradient;
}

/// <summary>The values of a forward pass in the order in which they were recorded, which is a topological one.</summary>
internal sealed class TapeEntries
{
    private TapeEntry[] _entries = new TapeEntry[16];

    /// <summary>Number of values recorded.</summary>
    public int Count { get; private set; }

    /// <summary>Elements that the gradients of one seed may take at most.</summary>
    public long GradientElements { get; private set; }

    /// <summary>The value that was recorded as number <paramref name="id"/>; good until the next one is added.</summary>
    public ref TapeEntry this[int id] => ref _entries[id];

    /// <summary>Records a value.</summary>
    /// <returns>Its number.</returns>
    public int Add(in TapeEntry entry)
    {
        if (Count == _entries.Length)
        {
            Array.Resize(ref _entries, 2 * Count);
        }

        _entries[Count] = entry;
        GradientElements += entry.NeedsGradient ? (long)entry.Value.Rows * entry.Value.Columns : 0;
        return Count++;
    }

    /// <summary>Forgets all values.</summary>
    public void Clear()
    {
        Array.Clear(_entries, 0, Count);
        Count = 0;
        GradientElements = 0;
    }

    /// <summary>Hands over the inputs of layers, in the order of the forward pass.</summary>
    public void CaptureInputs(ICaptureSink sink)
    {
        for (int id = 0; id < Count; id++)
        {
            _entries[id].Operation?.CaptureInputs(sink);
        }
    }

    /// <summary>Runs the operations that have a gradient, from <paramref name="last"/> to the first.</summary>
    public void RunBackward(BackwardPass pass, int last)
    {
        for (int id = last; id >= 0; id--)
        {
            ref TapeEntry entry = ref _entries[id];
            if (entry.HasGradient)
            {
                MatrixView<float> gradient = entry.Gradient;
                entry.HasGradient = false;
                entry.Operation?.Backward(pass, gradient);
            }
        }
    }

    /// <summary>Forgets all gradients.</summary>
    public void ReleaseGradients()
    {
        for (int id = 0; id < Count; id++)
        {
            _entries[id].HasGradient = false;
            _entries[id].Gradient = default;
        }
    }
}
