using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>Something that lives in a context, and keeps it until released.</summary>
internal abstract class ContextChildHandle : SafeHandle
{
    private readonly ContextHandle? _context;

    private protected ContextChildHandle(ContextHandle context)
        : base(0, ownsHandle: true)
    {
        bool added = false;
        context.DangerousAddRef(ref added);
        _context = context;
    }

    public sealed override bool IsInvalid => false;

    /// <summary>Takes what a call has made; where it failed, gives up the context and throws.</summary>
    private protected void Take(DriverResult result, nint value, [CallerArgumentExpression(nameof(result))] string expression = "")
    {
        if (result != DriverResult.Success)
        {
            Dispose();
            throw DriverCall.Failure(result, expression);
        }

        SetHandle(value);
    }

    private protected abstract DriverResult Destroy(nint value);

    protected sealed override bool ReleaseHandle()
    {
        if (_context is null)
        {
            return true;
        }

        bool released = true;
        if (handle != 0)
        {
            released = Driver.cuCtxPushCurrent(_context.DangerousGetHandle()) == DriverResult.Success;
            released &= Destroy(handle) == DriverResult.Success;
            released &= Driver.cuCtxPopCurrent(out _) == DriverResult.Success;
        }

        _context.DangerousRelease();
        return released;
    }
}

/// <summary><c>CUstream</c>.</summary>
internal sealed class StreamHandle : ContextChildHandle
{
    private const uint NonBlocking = 1;

    public StreamHandle(ContextHandle context)
        : base(context) => Take(Driver.cuStreamCreate(out nint value, NonBlocking), value);

    private protected override DriverResult Destroy(nint value) => Driver.cuStreamDestroy(value);
}

/// <summary><c>CUevent</c>.</summary>
internal sealed class EventHandle : ContextChildHandle
{
    private const uint DisableTiming = 2;

    public EventHandle(ContextHandle context, bool timing)
        : base(context) => Take(Driver.cuEventCreate(out nint value, timing ? 0 : DisableTiming), value);

    private protected override DriverResult Destroy(nint value) => Driver.cuEventDestroy(value);
}

/// <summary><c>CUmemoryPool</c>.</summary>
internal sealed class MemoryPoolHandle : ContextChildHandle
{
    public MemoryPoolHandle(ContextHandle context, int device)
        : base(context) => Take(Driver.cuMemPoolCreate(out nint value, new MemoryPoolProperties(device)), value);

    private protected override DriverResult Destroy(nint value) => Driver.cuMemPoolDestroy(value);
}

/// <summary>Page-locked host memory.</summary>
internal sealed class HostBlockHandle : ContextChildHandle
{
    public HostBlockHandle(ContextHandle context, int byteLength)
        : base(context)
    {
        Take(Driver.cuMemHostAlloc(out nint value, (nuint)byteLength, 0), value);
        ByteLength = byteLength;
    }

    public nint Address => handle;

    public int ByteLength { get; }

    private protected override DriverResult Destroy(nint value) => Driver.cuMemFreeHost(value);
}

/// <summary><c>CUmodule</c>.</summary>
internal sealed unsafe class ModuleHandle : ContextChildHandle
{
    private const int LogBytes = 8192;

    /// <param name="image">PTX that ends with a zero.</param>
    /// <param name="name">For messages.</param>
    public ModuleHandle(ContextHandle context, ReadOnlySpan<byte> image, string name)
        : base(context)
    {
        byte* log = stackalloc byte[LogBytes];
        log[0] = 0;
        JitOption* options = stackalloc[] { JitOption.ErrorLogBuffer, JitOption.ErrorLogBufferBytes };
        nint* values = stackalloc[] { (nint)log, LogBytes };
        fixed (byte* start = image)
        {
            DriverResult result = Driver.cuModuleLoadDataEx(out nint value, start, 2, options, values);
            if (result != DriverResult.Success)
            {
                Dispose();
                string text = (Marshal.PtrToStringUTF8((nint)log) ?? string.Empty).Trim();
                throw DriverCall.Failure(result, nameof(Driver.cuModuleLoadDataEx), $"{name}{(text.Length == 0 ? string.Empty : $": {text}")}");
            }

            SetHandle(value);
        }
    }

    private protected override DriverResult Destroy(nint value) => Driver.cuModuleUnload(value);
}

/// <summary><c>CUgraph</c>.</summary>
internal sealed class GraphHandle : ContextChildHandle
{
    /// <summary>Takes what a capture has given.</summary>
    public GraphHandle(ContextHandle context, nint value)
        : base(context) => SetHandle(value);

    private protected override DriverResult Destroy(nint value) => Driver.cuGraphDestroy(value);
}

/// <summary><c>CUgraphExec</c>.</summary>
internal sealed class GraphExecutableHandle : ContextChildHandle
{
    public GraphExecutableHandle(ContextHandle context, GraphHandle graph)
        : base(context) => Take(Driver.cuGraphInstantiateWithFlags(out nint value, graph, 0), value);

    private protected override DriverResult Destroy(nint value) => Driver.cuGraphExecDestroy(value);
}
