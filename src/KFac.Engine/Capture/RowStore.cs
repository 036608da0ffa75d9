using KFac.Kernels;

namespace KFac.Engine;

/// <summary>Rows of one width that are appended batch by batch, in memory that grows to the largest batch and stays.</summary>
internal sealed class RowStore(DeviceStream stream, int width) : IDisposable
{
    private readonly Arena _arena = new(stream.Device);
    private MatrixView<float> _memory;

    public int Count { get; private set; }

    /// <summary>What has been appended, [Count, width].</summary>
    public MatrixView<float> Rows => _memory.RowRange(0, Count);

    public void Clear() => Count = 0;

    /// <summary>Room for more rows, with undefined contents.</summary>
    public MatrixView<float> Append(int rows)
    {
        int needed = checked(Count + rows);
        if (needed > _memory.Rows)
        {
            MatrixView<float> larger = _arena.Matrix<float>(Count == 0 ? needed : Math.Max(needed, 2 * Count), width);
            if (Count > 0)
            {
                Elementwise.Copy(stream, Rows, larger.RowRange(0, Count));
            }

            _memory = larger;
        }

        MatrixView<float> added = _memory.RowRange(Count, rows);
        Count = needed;
        return added;
    }

    /// <summary>Shows number and rows to a checkpoint, which makes room for those that it restores.</summary>
    public void VisitState(IStateVisitor visitor, string name)
    {
        long count = Count;
        visitor.Integer($"{name}.count", ref count);
        if (count != Count)
        {
            Clear();
            _ = Append(checked((int)count));
        }

        if (count > 0)
        {
            visitor.Vector($"{name}.rows", Rows.AsVector());
        }
    }

    public void Dispose() => _arena.Dispose();
}
