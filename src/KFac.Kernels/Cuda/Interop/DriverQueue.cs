namespace KFac.Kernels.Cuda;

/// <summary>A stream of the driver.</summary>
internal sealed unsafe class DriverQueue : GpuQueue
{
    private const int RelaxedCapture = 2;

    private readonly ContextHandle _context;
    private readonly DriverMemory _memory;
    private readonly DriverModules _modules;
    private readonly StreamHandle _stream;
    private readonly QueueMark _mark;
    private StagingBuffers? _staging;
    private bool _recording;
    private bool _disposed;

    /// <summary>The context is current.</summary>
    public DriverQueue(ContextHandle context, DriverMemory memory, DriverModules modules)
    {
        _context = context;
        _memory = memory;
        _modules = modules;
        _stream = new StreamHandle(context);
        try
        {
            _mark = memory.AddQueue(_stream);
        }
        catch
        {
            _stream.Dispose();
            throw;
        }
    }

    public override void CopyToDevice(ReadOnlySpan<byte> source, nint destination)
    {
        RefuseRecording();
        using ContextHandle.Scope scope = _context.Enter();
        Staging().Upload(source, destination);
    }

    public override void CopyToHost(nint source, Span<byte> destination)
    {
        RefuseRecording();
        using ContextHandle.Scope scope = _context.Enter();
        Staging().Download(source, destination);
    }

    public override void Fill(nint destination, byte value, long byteLength)
    {
        using ContextHandle.Scope scope = _context.Enter();
        DriverCall.Check(Driver.cuMemsetD8Async(destination, value, (nuint)byteLength, _stream));
    }

    public override void Launch(string module, string kernel, LaunchShape shape, ReadOnlySpan<byte> arguments)
    {
        using ContextHandle.Scope scope = _context.Enter();
        nint function = _modules.Find(module, kernel, shape.SharedBytes > 0);
        fixed (byte* structure = arguments)
        {
            void* argument = structure;
            DriverResult result = Driver.cuLaunchKernel(
                function,
                (uint)shape.GridX,
                (uint)shape.GridY,
                (uint)shape.GridZ,
                (uint)shape.BlockX,
                (uint)shape.BlockY,
                (uint)shape.BlockZ,
                (uint)shape.SharedBytes,
                _stream,
                &argument,
                null);
            if (result != DriverResult.Success)
            {
                throw DriverCall.Failure(result, nameof(Driver.cuLaunchKernel), $"{kernel} of {module}.cu with {shape}.");
            }
        }
    }

    public override void Synchronize()
    {
        RefuseRecording();
        using ContextHandle.Scope scope = _context.Enter();
        DriverCall.Check(Driver.cuStreamSynchronize(_stream));
    }

    public override void BeginCapture()
    {
        RefuseRecording();
        using ContextHandle.Scope scope = _context.Enter();
        _memory.BeginRecording();
        DriverResult result = Driver.cuStreamBeginCapture(_stream, RelaxedCapture);
        if (result != DriverResult.Success)
        {
            _memory.EndRecording();
            throw DriverCall.Failure(result, nameof(Driver.cuStreamBeginCapture));
        }

        _recording = true;
    }

    public override GpuGraph EndCapture(GpuGraph? previous)
    {
        DriverCall.Check(StopRecording(out nint value), nameof(Driver.cuStreamEndCapture));
        using var graph = new GraphHandle(_context, value);
        using ContextHandle.Scope scope = _context.Enter();
        if (previous is DriverGraph fitting && fitting.TryUpdate(graph))
        {
            return fitting;
        }

        previous?.Dispose();
        return new DriverGraph(new GraphExecutableHandle(_context, graph));
    }

    public override void CancelCapture()
    {
        // Why there is nothing to record is known already: the exception that led here.
        if (StopRecording(out nint graph) == DriverResult.Success)
        {
            new GraphHandle(_context, graph).Dispose();
        }
    }

    public override void Replay(GpuGraph graph)
    {
        RefuseRecording();
        using ContextHandle.Scope scope = _context.Enter();
        DriverCall.Check(Driver.cuGraphLaunch(((DriverGraph)graph).Executable, _stream));
    }

    public override GpuEvent CreateEvent()
    {
        using ContextHandle.Scope scope = _context.Enter();
        return new DriverEvent(_context, new EventHandle(_context, timing: true));
    }

    public override void Record(GpuEvent mark)
    {
        using ContextHandle.Scope scope = _context.Enter();
        DriverCall.Check(Driver.cuEventRecord(((DriverEvent)mark).Handle, _stream));
    }

    public override void Wait(GpuEvent mark)
    {
        using ContextHandle.Scope scope = _context.Enter();
        DriverCall.Check(Driver.cuStreamWaitEvent(_stream, ((DriverEvent)mark).Handle, 0));
    }

    public override void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        if (_recording)
        {
            CancelCapture();
        }

        using (_context.Enter())
        {
            // An error of earlier work has been, or will be, thrown elsewhere; releasing must go on.
            _ = Driver.cuStreamSynchronize(_stream);
        }

        _memory.RemoveQueue(_mark);
        _staging?.Dispose();
        _stream.Dispose();
    }

    private StagingBuffers Staging() => _staging ??= new StagingBuffers(_context, _stream);

    private DriverResult StopRecording(out nint graph)
    {
        if (!_recording)
        {
            throw new InvalidOperationException("Nothing is being recorded on this stream.");
        }

        _recording = false;
        using ContextHandle.Scope scope = _context.Enter();
        DriverResult result = Driver.cuStreamEndCapture(_stream, out graph);
        _memory.EndRecording();
        return result;
    }

    private void RefuseRecording()
    {
        if (_recording)
        {
            throw new InvalidOperationException("Work is being recorded on this stream: it cannot wait, or copy from or to the host.");
        }
    }
}

/// <summary>An executable graph of the driver.</summary>
internal sealed class DriverGraph(GraphExecutableHandle executable) : GpuGraph
{
    public GraphExecutableHandle Executable { get; } = executable;

    /// <summary>Takes the arguments of a graph of the same shape; false where it is not.</summary>
    public bool TryUpdate(GraphHandle graph)
    {
        DriverResult result = Driver.cuGraphExecUpdate(Executable, graph, out _);
        if (result == DriverResult.GraphUpdateFailure)
        {
            return false;
        }

        DriverCall.Check(result, nameof(Driver.cuGraphExecUpdate));
        return true;
    }

    public override void Dispose() => Executable.Dispose();
}

/// <summary>An event of the driver.</summary>
internal sealed class DriverEvent(ContextHandle context, EventHandle handle) : GpuEvent
{
    public EventHandle Handle { get; } = handle;

    public override double SecondsSince(GpuEvent start)
    {
        using ContextHandle.Scope scope = context.Enter();
        DriverCall.Check(Driver.cuEventSynchronize(Handle));
        DriverCall.Check(Driver.cuEventElapsedTime(out float milliseconds, ((DriverEvent)start).Handle, Handle));
        return milliseconds * 1e-3;
    }

    public override void Dispose() => Handle.Dispose();
}
