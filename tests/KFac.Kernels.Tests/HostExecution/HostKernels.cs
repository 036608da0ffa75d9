using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using KFac.Kernels.Cuda;
using KFac.Testing.HostExecution;
using Xunit;

namespace KFac.Kernels.Tests;

/// <summary>The kernels of the folder Planted, in a harness of their own.</summary>
internal sealed class HostKernels : IDisposable
{
    private readonly HostRuntime _runtime;
    private readonly GpuQueue _queue;

    public HostKernels(int longestSeconds = 60)
    {
        Skip.If(HostCompiler.Default is null, HostCompiler.Reason);
        _runtime = new HostRuntime(HostProgram.Build(Path.Combine(Folder(), "Planted")), HostRuntime.Ampere, longestSeconds: longestSeconds);
        _queue = _runtime.CreateQueue();
    }

    public nint Allocate(ReadOnlySpan<float> values)
    {
        nint address = _runtime.Allocate(values.Length * sizeof(float));
        _queue.CopyToDevice(MemoryMarshal.AsBytes(values), address);
        return address;
    }

    public float[] Read(nint address, int length)
    {
        var values = new float[length];
        _queue.CopyToHost(address, MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    public TensorMap Encode(in TensorMapShape shape) => _runtime.EncodeTensorMap(shape);

    public void Free(nint address) => _runtime.Free(address);

    public void Launch<T>(string module, string kernel, LaunchShape shape, T arguments)
        where T : unmanaged
    {
        _queue.Launch(module, kernel, shape, in arguments);
        _queue.Synchronize();
    }

    public void Dispose() => _runtime.Dispose();

    private static string Folder([CallerFilePath] string file = "") => Path.GetDirectoryName(file)!;
}
