using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>An ordered queue of copies and kernels. Calls return at once unless they say that they wait.</summary>
/// <remarks>Between <see cref="BeginCapture"/> and <see cref="EndCapture"/> launches, fills and event waits are recorded instead
/// of run; what waits or copies from or to the host throws <see cref="InvalidOperationException"/>.</remarks>
internal abstract class GpuQueue : IDisposable
{
    /// <summary>Copies host memory, which the caller may change as soon as this returns.</summary>
    public abstract void CopyToDevice(ReadOnlySpan<byte> source, nint destination);

    /// <summary>Waits for the queue and copies to host memory.</summary>
    public abstract void CopyToHost(nint source, Span<byte> destination);

    /// <summary>Sets every byte.</summary>
    public abstract void Fill(nint destination, byte value, long byteLength);

    /// <summary>Runs a kernel.</summary>
    /// <param name="module">Stem of the source file, for example <c>gemm</c>.</param>
    /// <param name="kernel">Name given to <c>KFAC_KERNEL</c>.</param>
    /// <param name="arguments">The bytes of the kernel's arguments structure.</param>
    public abstract void Launch(string module, string kernel, LaunchShape shape, ReadOnlySpan<byte> arguments);

    /// <inheritdoc cref="Launch(string, string, LaunchShape, ReadOnlySpan{byte})"/>
    public void Launch<T>(string module, string kernel, LaunchShape shape, in T arguments)
        where T : unmanaged =>
        Launch(module, kernel, shape, MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in arguments)));

    /// <summary>Waits for all work given so far. An error of earlier work is thrown here.</summary>
    public abstract void Synchronize();

    /// <summary>Starts recording.</summary>
    public abstract void BeginCapture();

    /// <summary>Ends recording.</summary>
    /// <param name="previous">A graph of the same kernels to take the recorded arguments, which is cheaper than a new one; it
    /// is disposed when it does not fit.</param>
    public abstract GpuGraph EndCapture(GpuGraph? previous = null);

    /// <summary>Ends recording and forgets what was recorded.</summary>
    public virtual void CancelCapture() => EndCapture().Dispose();

    /// <summary>Runs what was recorded. Its memory must still be held.</summary>
    public abstract void Replay(GpuGraph graph);

    /// <summary>A mark that can be put into the queue.</summary>
    public abstract GpuEvent CreateEvent();

    /// <summary>Puts the mark behind the work given so far.</summary>
    public abstract void Record(GpuEvent mark);

    /// <summary>Work given from now on waits for the mark, which another queue may hold.</summary>
    public abstract void Wait(GpuEvent mark);

    /// <summary>Waits for the work and releases the queue.</summary>
    public abstract void Dispose();
}

/// <summary>Recorded work; see <see cref="GpuQueue.EndCapture"/>.</summary>
internal abstract class GpuGraph : IDisposable
{
    public abstract void Dispose();
}

/// <summary>A mark in a queue; see <see cref="GpuQueue.Record"/>.</summary>
internal abstract class GpuEvent : IDisposable
{
    /// <summary>Waits for this mark and gives the device's seconds since an earlier one of the same queue.</summary>
    public abstract double SecondsSince(GpuEvent start);

    public abstract void Dispose();
}
