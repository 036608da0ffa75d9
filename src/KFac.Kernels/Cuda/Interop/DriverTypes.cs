using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary><c>CUresult</c>: those that are told apart; all others are decoded by the driver itself.</summary>
internal enum DriverResult
{
    Success = 0,
    OutOfMemory = 2,
    NoDevice = 100,
    NotFound = 500,
    GraphUpdateFailure = 910,
}

/// <summary><c>CUdevice_attribute</c>.</summary>
internal enum DeviceAttribute
{
    Multiprocessors = 16,
    L2CacheBytes = 38,
    ComputeCapabilityMajor = 75,
    ComputeCapabilityMinor = 76,
    SharedBytesPerBlockOptIn = 97,
    MemoryPoolsSupported = 115,
}

/// <summary><c>CUfunction_attribute</c>.</summary>
internal enum FunctionAttribute
{
    StaticSharedBytes = 1,
    MostDynamicSharedBytes = 8,
    PreferredSharedCarveout = 9,
}

/// <summary><c>CUjit_option</c>.</summary>
internal enum JitOption
{
    ErrorLogBuffer = 5,
    ErrorLogBufferBytes = 6,
}

/// <summary><c>CUtensorMapDataType</c>.</summary>
internal enum TensorMapElement
{
    Float32 = 7,
}

/// <summary><c>CUtensorMapInterleave</c>.</summary>
internal enum TensorMapInterleave
{
    None = 0,
}

/// <summary><c>CUtensorMapSwizzle</c>.</summary>
internal enum TensorMapSwizzle
{
    Bytes128 = 3,
}

/// <summary><c>CUtensorMapL2promotion</c>.</summary>
internal enum TensorMapPromotion
{
    Bytes256 = 3,
}

/// <summary><c>CUtensorMapFloatOOBfill</c>.</summary>
internal enum TensorMapFill
{
    Zeros = 0,
}

/// <summary><c>CUmemPoolProps</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct MemoryPoolProperties(int device)
{
    private readonly int _allocationType = 1; // pinned on the device
    private readonly int _handleTypes; // not shared with other processes
    private readonly int _locationType = 1; // a device
    private readonly int _locationId = device;
    private readonly nint _securityAttributes;
    private readonly Reserved _reserved;

    /// <summary><c>maxSize</c>, <c>usage</c> and what is reserved.</summary>
    [InlineArray(64)]
    private struct Reserved
    {
        private byte _first;
    }
}

/// <summary><c>CUgraphExecUpdateResultInfo</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct GraphUpdateResult
{
    public readonly int Result;
    public readonly nint ErrorNode;
    public readonly nint ErrorFromNode;
}
