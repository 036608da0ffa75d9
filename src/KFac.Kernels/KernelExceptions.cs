namespace KFac.Kernels;

/// <summary>A known device cannot be used on this machine.</summary>
public sealed class DeviceUnavailableException(string message) : Exception(message);

/// <summary>The device has no implementation of an operation.</summary>
public sealed class KernelMissingException(string operation, string device)
    : NotSupportedException($"The device '{device}' has no kernel for {operation}.")
{
    /// <summary>The operation that was asked for.</summary>
    public string Operation { get; } = operation;

    /// <summary>The device it was asked of.</summary>
    public string Device { get; } = device;
}

/// <summary>A device has no room for an allocation. The device stays usable, and its other memory as it was.</summary>
public sealed class DeviceOutOfMemoryException(string message) : OutOfMemoryException(message);

/// <summary>A call of a device's driver failed. The device may have to be disposed and opened again.</summary>
public sealed class DriverException(string call, string error, string message) : Exception(message)
{
    /// <summary>The driver's function, for example <c>cuLaunchKernel</c>.</summary>
    public string Call { get; } = call;

    /// <summary>The driver's name of the error, for example <c>CUDA_ERROR_ILLEGAL_ADDRESS</c>.</summary>
    public string Error { get; } = error;
}
