using System.Runtime.InteropServices;

namespace KFac.Kernels.Cpu;

/// <summary>Reusable native memory for kernels: packing buffers, per-task partial sums, workspaces.</summary>
/// <remarks>Blocks start at a 64-byte boundary, have undefined contents, and are kept for the next call when returned,
/// so a steady state allocates nothing. Thread-safe.</remarks>
internal sealed unsafe class ScratchPool : IDisposable
{
    /// <summary>Blocks that the list holds before it grows. How many are out at a time depends on how threads meet, so that a list
    /// that grows with them would allocate in a step long after the first.</summary>
    private const int Capacity = 256;

    private readonly Lock _gate = new();
    private readonly List<Block> _free = new(Capacity);
    private bool _disposed;

    /// <summary>Borrows at least <paramref name="bytes"/> bytes until the lease is disposed.</summary>
    public ScratchLease Rent(long bytes)
    {
        lock (_gate)
        {
            int best = -1;
            for (int i = 0; i < _free.Count; i++)
            {
                if (_free[i].Bytes >= bytes && (best < 0 || _free[i].Bytes < _free[best].Bytes))
                {
                    best = i;
                }
            }

            if (best >= 0)
            {
                Block block = _free[best];
                _free[best] = _free[^1];
                _free.RemoveAt(_free.Count - 1);
                return new ScratchLease(this, block.Address, block.Bytes);
            }

            // The largest free block is the one that was outgrown: replacing it keeps the pool from collecting sizes.
            DropLargest();
        }

        long rounded = (Math.Max(bytes, 1) + 4095) / 4096 * 4096;
        return new ScratchLease(this, LargePages.Allocate(rounded), rounded);
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            foreach (Block block in _free)
            {
                NativeMemory.AlignedFree((void*)block.Address);
            }

            _free.Clear();
        }
    }

    internal void Return(nint address, long bytes)
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _free.Add(new Block(address, bytes));
                return;
            }
        }

        NativeMemory.AlignedFree((void*)address);
    }

    private void DropLargest()
    {
        int largest = -1;
        for (int i = 0; i < _free.Count; i++)
        {
            if (largest < 0 || _free[i].Bytes > _free[largest].Bytes)
            {
                largest = i;
            }
        }

        if (largest >= 0)
        {
            NativeMemory.AlignedFree((void*)_free[largest].Address);
            _free.RemoveAt(largest);
        }
    }

    private readonly record struct Block(nint Address, long Bytes);
}

/// <summary>A borrowed block of a <see cref="ScratchPool"/>.</summary>
internal readonly unsafe ref struct ScratchLease(ScratchPool pool, nint address, long bytes)
{
    public long Bytes { get; } = bytes;

    public T* As<T>()
        where T : unmanaged => (T*)address;

    public void Dispose() => pool.Return(address, Bytes);
}
