namespace KFac.Cli;

/// <summary>The process's exit codes; part of the public interface.</summary>
internal static class ExitCode
{
    /// <summary>The command did what it was asked.</summary>
    public const int Success = 0;

    /// <summary>The command started and failed: bad data, a missing file, a device that cannot be used.</summary>
    public const int Failure = 1;

    /// <summary>The command line itself is wrong: an unknown or missing option, or a value out of its range.</summary>
    public const int Usage = 2;
}
