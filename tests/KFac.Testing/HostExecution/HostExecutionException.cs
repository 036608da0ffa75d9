namespace KFac.Testing.HostExecution;

/// <summary>A kernel did on the host what it must not do; the message names kernel, block, thread and what.</summary>
public sealed class HostExecutionException(string message) : Exception(message);
