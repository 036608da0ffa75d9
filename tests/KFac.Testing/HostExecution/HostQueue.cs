using System.Diagnostics;
using KFac.Kernels.Cuda;

namespace KFac.Testing.HostExecution;

/// <summary>A queue of a <see cref="HostRuntime"/>. All queues share one process, which does what it is told in that order.</summary>
internal sealed class HostQueue(HostRuntime runtime) : GpuQueue
{
    private HostGraph? _recording;

    public override void CopyToDevice(ReadOnlySpan<byte> source, nint destination)
    {
        RefuseWhileRecording();
        if (!source.IsEmpty)
        {
            runtime.Process.CopyIn(source, destination);
        }
    }

    public override void CopyToHost(nint source, Span<byte> destination)
    {
        RefuseWhileRecording();
        if (!destination.IsEmpty)
        {
            runtime.Process.CopyOut(source, destination);
        }
    }

    public override void Fill(nint destination, byte value, long byteLength)
    {
        if (_recording is not null)
        {
            _recording.Work.Add(() => runtime.Process.Set(destination, value, byteLength));
        }
        else if (byteLength > 0)
        {
            runtime.Process.Set(destination, value, byteLength);
        }
    }

    public override void Launch(string module, string kernel, LaunchShape shape, ReadOnlySpan<byte> arguments)
    {
        string name = runtime.Module(module);
        if (_recording is not null)
        {
            byte[] copy = arguments.ToArray();
            _recording.Work.Add(() => Run(name, kernel, shape, copy));
        }
        else
        {
            Run(name, kernel, shape, arguments);
        }
    }

    public override void Synchronize()
    {
        RefuseWhileRecording();
        runtime.Process.Synchronize();
    }

    public override void BeginCapture()
    {
        RefuseWhileRecording();
        _recording = new HostGraph();
    }

    public override GpuGraph EndCapture(GpuGraph? previous = null)
    {
        HostGraph graph = _recording ?? throw new InvalidOperationException("The queue is not being recorded.");
        _recording = null;
        previous?.Dispose();
        return graph;
    }

    public override void Replay(GpuGraph graph)
    {
        foreach (Action work in ((HostGraph)graph).Work)
        {
            work();
        }
    }

    public override GpuEvent CreateEvent() => new HostEvent();

    public override void Record(GpuEvent mark)
    {
        runtime.Process.Synchronize();
        ((HostEvent)mark).Time = Stopwatch.GetTimestamp();
    }

    public override void Wait(GpuEvent mark)
    {
    }

    public override void Dispose()
    {
    }

    private void Run(string module, string kernel, LaunchShape shape, ReadOnlySpan<byte> arguments)
    {
        runtime.Launched.Add(kernel);
        int fixedBytes = StaticSharedMemory.Bytes(module, kernel);
        if (shape.SharedBytes + fixedBytes > runtime.Properties.SharedBytesPerBlock)
        {
            throw new HostExecutionException(
                $"kernel {kernel} was launched with {shape.SharedBytes} bytes of shared memory beside its own {fixedBytes}; there are {runtime.Properties.SharedBytesPerBlock}");
        }

        runtime.Process.Launch(
            module,
            kernel,
            [shape.GridX, shape.GridY, shape.GridZ, shape.BlockX, shape.BlockY, shape.BlockZ, shape.SharedBytes],
            arguments);
    }

    private void RefuseWhileRecording()
    {
        if (_recording is not null)
        {
            throw new InvalidOperationException("The queue is being recorded; this waits or copies.");
        }
    }

    private sealed class HostGraph : GpuGraph
    {
        public List<Action> Work { get; } = [];

        public override void Dispose() => Work.Clear();
    }

    private sealed class HostEvent : GpuEvent
    {
        public long Time { get; set; }

        public override double SecondsSince(GpuEvent start) => Stopwatch.GetElapsedTime(((HostEvent)start).Time, Time).TotalSeconds;

        public override void Dispose()
        {
        }
    }
}
