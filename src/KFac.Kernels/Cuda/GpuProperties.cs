using System.Globalization;

namespace KFac.Kernels.Cuda;

/// <summary>What kernels are chosen and tiled by.</summary>
internal sealed record GpuProperties
{
    /// <summary>As the vendor names it, for example <c>NVIDIA H200</c>.</summary>
    public required string Name { get; init; }

    /// <summary>Compute capability, the digit before the dot.</summary>
    public required int Major { get; init; }

    /// <summary>Compute capability, the digit after the dot.</summary>
    public required int Minor { get; init; }

    /// <summary>Streaming multiprocessors.</summary>
    public required int Multiprocessors { get; init; }

    /// <summary>Most shared memory of one block, static and dynamic together, in bytes.</summary>
    public required int SharedBytesPerBlock { get; init; }

    /// <summary>Memory of the device in bytes.</summary>
    public required long TotalMemory { get; init; }

    /// <summary>Second-level cache in bytes.</summary>
    public required int L2Bytes { get; init; }

    /// <summary>Whether kernels for <c>sm_90a</c> run here: they are tied to compute capability 9.0.</summary>
    public bool IsHopper => Major == 9 && Minor == 0;

    /// <summary>For people.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Name}, compute capability {Major}.{Minor}, {Multiprocessors} multiprocessors, {TotalMemory / (double)(1L << 30):F1} GiB");
}
