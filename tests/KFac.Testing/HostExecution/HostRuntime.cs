using System.Runtime.InteropServices;
using KFac.Kernels;
using KFac.Kernels.Cuda;

namespace KFac.Testing.HostExecution;

/// <summary>A GPU without a GPU: the library's kernels compiled for the processor, in a process of their own.</summary>
internal sealed class HostRuntime : GpuRuntime
{
    /// <summary>Launches of at most this many threads run twice, in opposite orders of threads, and must agree bit for bit.</summary>
    private const long RepeatedThreads = 1 << 18;

    private const int LongestSeconds = 120;

    private const long TensorMapMark = 0x50414d52534e4554;

    private readonly Lock _gate = new();
    private readonly HashSet<string> _modules;
    private readonly Dictionary<nint, long> _blocks = [];
    private readonly long _memoryLimit;
    private long _held;

    /// <param name="program">As <see cref="HostProgram"/> builds it.</param>
    /// <param name="memoryLimit">Most bytes held at once.</param>
    /// <param name="longestSeconds">How long one launch may take before it counts as one that never ends.</param>
    public HostRuntime(
        string program, GpuProperties properties, long memoryLimit = long.MaxValue, int longestSeconds = LongestSeconds)
    {
        Properties = properties;
        _memoryLimit = memoryLimit;
        Process = new HostProcess(program, RepeatedThreads, longestSeconds);
        _modules = [.. Process.ListKernels().Split('\n').Select(static line => line.Split(' ')[0])];
    }

    /// <summary>What a small GPU of compute capability 8.0 would say.</summary>
    public static GpuProperties Ampere { get; } = new()
    {
        Name = "host execution",
        Major = 8,
        Minor = 0,
        Multiprocessors = 4,
        SharedBytesPerBlock = 163 * 1024,
        TotalMemory = 1L << 32,
        L2Bytes = 1 << 22,
    };

    /// <summary>What a small GPU of compute capability 9.0 would say.</summary>
    public static GpuProperties Hopper { get; } = Ampere with { Major = 9, Multiprocessors = 1, SharedBytesPerBlock = 227 * 1024 };

    public override GpuProperties Properties { get; }

    public HostProcess Process { get; }

    /// <summary>Names of the kernels that ran.</summary>
    public HashSet<string> Launched { get; } = [];

    public override nint Allocate(long byteLength)
    {
        lock (_gate)
        {
            nint address = _held + byteLength > Math.Min(_memoryLimit, Properties.TotalMemory) ? 0 : Process.Allocate(byteLength);
            if (address == 0)
            {
                throw new DeviceOutOfMemoryException($"There is no room for {byteLength} bytes; {_held} are in use.");
            }

            _held += byteLength;
            _blocks.Add(address, byteLength);
            return address;
        }
    }

    public override void Free(nint address)
    {
        lock (_gate)
        {
            _held -= _blocks[address];
            _blocks.Remove(address);
            Process.Free(address);
        }
    }

    /// <summary>As host_bulk_copy.h reads it.</summary>
    public override TensorMap EncodeTensorMap(in TensorMapShape shape)
    {
        if (!TensorMapShape.Fits(shape.Address, shape.RowStride, shape.Matrices, shape.MatrixStride)
            || shape.Columns < 1 || shape.Rows < 1 || shape.Matrices < 1 || shape.BoxRows is < 1 or > 256)
        {
            throw new ArgumentException($"The driver would not take {shape}.");
        }

        ReadOnlySpan<long> words =
        [
            shape.Address, shape.Columns, shape.Rows, shape.Matrices, shape.RowBytes, shape.MatrixBytes,
            TensorMapShape.BoxColumns, shape.BoxRows, TensorMapMark,
        ];
        var map = default(TensorMap);
        MemoryMarshal.Cast<long, ulong>(words).CopyTo(map);
        return map;
    }

    public override GpuQueue CreateQueue() => new HostQueue(this);

    public override void Dispose() => Process.Dispose();

    /// <summary>The module that a GPU of these properties would load: the one for its own architecture where there is one.</summary>
    public string Module(string stem) => Properties.IsHopper && _modules.Contains($"{stem}.sm_90a") ? $"{stem}.sm_90a" : stem;
}
