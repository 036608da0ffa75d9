namespace KFac.Cli;

/// <summary>Options that are each valid but do not go together; reported on one line with <see cref="ExitCode.Usage"/>.</summary>
/// <remarks>What a single option's value can tell is refused by its validator, before the command runs.</remarks>
internal sealed class UsageException(string message) : Exception(message);
