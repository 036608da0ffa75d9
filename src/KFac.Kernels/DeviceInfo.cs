namespace KFac.Kernels;

/// <summary>A device of this machine as <see cref="Device.Enumerate"/> reports it.</summary>
/// <param name="Name">The name that <see cref="Device.Open"/> takes.</param>
/// <param name="Description">Model and size, for people; empty when not available.</param>
/// <param name="IsAvailable">Whether it can be opened.</param>
/// <param name="Reason">Why it cannot be opened; empty when it can.</param>
public sealed record DeviceInfo(string Name, string Description, bool IsAvailable, string Reason);
