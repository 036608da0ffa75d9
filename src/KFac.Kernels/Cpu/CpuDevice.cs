using System.Globalization;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace KFac.Kernels.Cpu;

/// <summary>The processor as a device: host memory, worker threads, managed SIMD kernels.</summary>
internal sealed unsafe class CpuDevice : Device
{
    private readonly CpuStream _stream;

    public CpuDevice(DeviceOptions options)
    {
        Vectors = Narrow(options.MaxVectorWidth);
        Workers = new WorkerPool(ThreadCount(options));
        Description = Describe(Vectors, Workers.Threads);
        _stream = new CpuStream(this);
        Kernels = CpuKernels.Create(this);
    }

    public override string Name => "cpu";

    public override string Description { get; }

    public override int Threads => Workers.Threads;

    public override DeviceStream DefaultStream => _stream;

    public WorkerPool Workers { get; }

    public ScratchPool Scratch { get; } = new();

    /// <summary>The instructions that kernels may use: what the processor has, narrowed by the options.</summary>
    public VectorWidth Vectors { get; }

    internal override KernelTable Kernels { get; }

    public static string Describe(DeviceOptions options) => Describe(Narrow(options.MaxVectorWidth), ThreadCount(options));

    public override DeviceStream CreateStream() => new CpuStream(this);

    internal override void Free(nint address, long byteLength) => NativeMemory.AlignedFree((void*)address);

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            Workers.Dispose();
            Scratch.Dispose();
        }
    }

    private protected override nint AllocateCore(long byteLength) => LargePages.Allocate(byteLength);

    private static string Describe(VectorWidth vectors, int threads) =>
        $"{RuntimeInformation.ProcessArchitecture}, {vectors} vectors, {threads} thread{(threads == 1 ? "" : "s")}";

    private static VectorWidth Narrow(VectorWidth wanted)
    {
        VectorWidth widest = Avx512F.IsSupported ? VectorWidth.Avx512
            : Avx2.IsSupported && Fma.IsSupported ? VectorWidth.Avx2
            : VectorWidth.Portable;
        return wanted < widest ? wanted : widest;
    }

    private static int ThreadCount(DeviceOptions options) =>
        ThreadCount(options, Environment.GetEnvironmentVariable(DeviceOptions.ThreadsVariable));

    /// <summary>Threads to open a device with.</summary>
    /// <param name="variable">Text of <see cref="DeviceOptions.ThreadsVariable"/>; null or empty where it is not set.</param>
    /// <exception cref="ArgumentException">The variable counts, and is not a number of threads.</exception>
    internal static int ThreadCount(DeviceOptions options, string? variable)
    {
        if (options.Threads is { } threads)
        {
            return threads;
        }

        if (string.IsNullOrEmpty(variable))
        {
            return Environment.ProcessorCount;
        }

        return int.TryParse(variable, NumberStyles.None, CultureInfo.InvariantCulture, out int value) && value is >= 1 and <= 1024
            ? value
            : throw new ArgumentException($"{DeviceOptions.ThreadsVariable} is '{variable}'; wanted a whole number from 1 to 1024.");
    }
}
