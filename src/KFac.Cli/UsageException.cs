namespace KFac.Cli;

/// <summary>Options that are each valid but do not go together; reported on one line with <see cref="ExitCode.Usage"/>.</summary>
/// <remarks>What a single option's value can tell is refused by its validator, before the command runs.</remarks>
internal sealed class UsageException(string message) : Exception(message)
{
    /// <summary>Reads options: what the libraries refuse then is wrong usage.</summary>
    /// <exception cref="UsageException">Options do not go together.</exception>
    public static T Of<T>(Func<T> read)
    {
        try
        {
            return read();
        }
        catch (ArgumentException failure)
        {
            throw new UsageException(failure.Message);
        }
    }
}
