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
