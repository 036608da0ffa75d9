namespace KFac.Kernels.Cuda;

/// <summary>Memory of one GPU, from a stream-ordered pool with an upper bound.</summary>
/// <remarks>
/// Allocation waits for the pool's own stream, so a block can be used on every queue at once; arenas make it rare. A block
/// given back waits, on the device, for the work that the queues hold at that moment. While a queue records a graph nothing
/// may touch it, so blocks given back then are kept until it has ended. What lives on when the runtime is disposed keeps pool
/// and context until the last block is back.
/// </remarks>
internal sealed class DriverMemory : IDisposable
{
    private const int Granularity = 512;

    private readonly Lock _gate = new();
    private readonly Dictionary<nint, long> _blocks = [];
    private readonly List<nint> _postponed = [];
    private readonly List<QueueMark> _queues = [];
    private readonly ContextHandle _context;
    private readonly StreamHandle _stream;
    private readonly MemoryPoolHandle _pool;
    private readonly long _limit;
    private long _held;
    private int _recording;
    private bool _disposed;

    /// <param name="limit">Most bytes held; null for no bound of ours.</param>
    public DriverMemory(ContextHandle context, int device, long? limit)
    {
        _context = context;
        _limit = limit ?? long.MaxValue;
        _pool = new MemoryPoolHandle(context, device);
        try
        {
            _stream = new StreamHandle(context);
        }
        catch
        {
            _pool.Dispose();
            throw;
        }
    }

    public nint Allocate(long byteLength)
    {
        long rounded = checked(byteLength + Granularity - 1) / Granularity * Granularity;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (rounded > _limit - _held)
            {
                throw new DeviceOutOfMemoryException(
                    $"{byteLength} bytes would exceed the memory limit of {_limit} bytes, of which {_held} are held; raise MemoryLimit or work in smaller parts.");
            }

            using ContextHandle.Scope scope = _context.Enter();
            nint address = Take(rounded);
            _blocks.Add(address, rounded);
            _held += rounded;
            return address;
        }
    }

    /// <summary>Gives a block back; never throws, since finalizers call it.</summary>
    public void Free(nint address)
    {
        lock (_gate)
        {
            if (_recording > 0)
            {
                _postponed.Add(address);
                return;
            }

            bool entered = _context.TryEnter();
            GiveBack(address);
            if (entered)
            {
                ContextHandle.Leave();
            }

            ReleaseWhenUnused();
        }
    }

    /// <summary>From now on blocks given back wait for this queue's work.</summary>
    public QueueMark AddQueue(StreamHandle queue)
    {
        var mark = new QueueMark(queue, new EventHandle(_context, timing: false));
        lock (_gate)
        {
            _queues.Add(mark);
        }

        return mark;
    }

    /// <summary>The queue's work is done.</summary>
    public void RemoveQueue(QueueMark mark)
    {
        lock (_gate)
        {
            _queues.Remove(mark);
            mark.Event.Dispose();
        }
    }

    /// <summary>A queue starts to record; no block is given to the pool until <see cref="EndRecording"/>.</summary>
    public void BeginRecording()
    {
        lock (_gate)
        {
            _recording++;
        }
    }

    /// <summary>A queue has ended to record.</summary>
    public void EndRecording()
    {
        lock (_gate)
        {
            if (--_recording > 0 || _postponed.Count == 0)
            {
                return;
            }

            using (_context.Enter())
            {
                _postponed.ForEach(GiveBack);
                _postponed.Clear();
            }

            ReleaseWhenUnused();
        }
    }

    /// <summary>Releases the pool with its last block.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            ReleaseWhenUnused();
        }
    }

    private nint Take(long byteLength)
    {
        DriverResult result = Driver.cuMemAllocFromPoolAsync(out nint address, (nuint)byteLength, _pool, _stream);
        if (result == DriverResult.OutOfMemory)
        {
            // Blocks that were given back may only wait for work that is still running.
            DriverCall.Check(Driver.cuStreamSynchronize(_stream));
            DriverCall.Check(Driver.cuMemPoolTrimTo(_pool, 0));
            result = Driver.cuMemAllocFromPoolAsync(out address, (nuint)byteLength, _pool, _stream);
        }

        if (result == DriverResult.OutOfMemory)
        {
            throw DriverCall.Failure(result, nameof(Driver.cuMemAllocFromPoolAsync), $"wanted {byteLength} bytes, {_held} are held.");
        }

        DriverCall.Check(result, nameof(Driver.cuMemAllocFromPoolAsync));
        DriverCall.Check(Driver.cuStreamSynchronize(_stream));
        return address;
    }

    /// <summary>Errors are left to the next call that can report them.</summary>
    private void GiveBack(nint address)
    {
        foreach (QueueMark queue in _queues)
        {
            if (Driver.cuEventRecord(queue.Event, queue.Stream) == DriverResult.Success)
            {
                _ = Driver.cuStreamWaitEvent(_stream, queue.Event, 0);
            }
        }

        _ = Driver.cuMemFreeAsync(address, _stream);
        _blocks.Remove(address, out long byteLength);
        _held -= byteLength;
    }

    private void ReleaseWhenUnused()
    {
        if (_disposed && _blocks.Count == 0)
        {
            _stream.Dispose();
            _pool.Dispose();
            _context.Dispose();
        }
    }
}

/// <summary>A queue that may use memory, and the event that marks its end so far.</summary>
internal sealed record QueueMark(StreamHandle Stream, EventHandle Event);
