namespace KFac.Kernels.Cuda;

/// <summary>Two page-locked host blocks through which a queue's copies go.</summary>
/// <remarks>
/// Uploads fill one block from its start while copies out of the other may still run. Only when a block is full does the next
/// upload wait, for the copies out of the other: small uploads, as one training step makes them, never wait for kernels before
/// them. Downloads take turns between the blocks, one being emptied while the other is filled.
/// </remarks>
internal sealed unsafe class StagingBuffers : IDisposable
{
    /// <summary>Bytes of a block.</summary>
    public const int BlockBytes = 4 << 20;

    private const int Alignment = 64;

    private readonly StreamHandle _stream;
    private readonly Block _first;
    private readonly Block _second;
    private Block _current;
    private Block _other;
    private int _offset;

    public StagingBuffers(ContextHandle context, StreamHandle stream)
    {
        _stream = stream;
        _first = new Block(context);
        try
        {
            _second = new Block(context);
        }
        catch
        {
            _first.Dispose();
            throw;
        }

        (_current, _other) = (_first, _second);
    }

    /// <summary>Copies to the device; the source may change once this returns.</summary>
    public void Upload(ReadOnlySpan<byte> source, nint destination)
    {
        while (!source.IsEmpty)
        {
            if (_offset == BlockBytes)
            {
                _current.Mark(_stream);
                (_current, _other) = (_other, _current);
                _current.Wait();
                _offset = 0;
            }

            int count = Math.Min(source.Length, BlockBytes - _offset);
            nint staged = _current.Memory.Address + _offset;
            source[..count].CopyTo(new Span<byte>((void*)staged, count));
            DriverCall.Check(Driver.cuMemcpyHtoDAsync(destination, staged, (nuint)count, _stream));
            _offset = Math.Min(BlockBytes, (_offset + count + Alignment - 1) / Alignment * Alignment);
            source = source[count..];
            destination += count;
        }
    }

    /// <summary>Waits for the stream and copies to the host.</summary>
    public void Download(nint source, Span<byte> destination)
    {
        // Uploads in flight still read the blocks.
        DriverCall.Check(Driver.cuStreamSynchronize(_stream));
        _offset = 0;
        int requested = 0;
        int received = 0;
        while (received < destination.Length)
        {
            while (requested < destination.Length && requested - received < 2 * BlockBytes)
            {
                Block block = At(requested);
                int count = Math.Min(BlockBytes, destination.Length - requested);
                DriverCall.Check(Driver.cuMemcpyDtoHAsync(block.Memory.Address, source + requested, (nuint)count, _stream));
                block.Mark(_stream);
                requested += count;
            }

            Block full = At(received);
            full.Wait();
            int length = Math.Min(BlockBytes, destination.Length - received);
            new ReadOnlySpan<byte>((void*)full.Memory.Address, length).CopyTo(destination[received..]);
            received += length;
        }
    }

    public void Dispose()
    {
        _first.Dispose();
        _second.Dispose();
    }

    private Block At(int offset) => offset / BlockBytes % 2 == 0 ? _first : _second;

    /// <summary>A block, and the mark behind the copies that use it.</summary>
    private sealed class Block : IDisposable
    {
        private readonly EventHandle _event;

        public Block(ContextHandle context)
        {
            Memory = new HostBlockHandle(context, BlockBytes);
            try
            {
                _event = new EventHandle(context, timing: false);
            }
            catch
            {
                Memory.Dispose();
                throw;
            }
        }

        public HostBlockHandle Memory { get; }

        public void Mark(StreamHandle stream) => DriverCall.Check(Driver.cuEventRecord(_event, stream));

        /// <summary>An event that was never recorded does not wait.</summary>
        public void Wait() => DriverCall.Check(Driver.cuEventSynchronize(_event));

        public void Dispose()
        {
            Memory.Dispose();
            _event.Dispose();
        }
    }
}
