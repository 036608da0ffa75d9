using System.CommandLine;

namespace KFac.Cli;

/// <summary>One command of <c>kfac</c>: declares its options and runs as a few library calls.</summary>
/// <remarks>
/// To add a command: derive from this class in <c>Commands/NAMECommand.cs</c>; hold each option in a field and
/// <see cref="Command.Add(Option)"/> it in the constructor (<see cref="OptionFactory"/> makes those that recur); implement
/// <see cref="Run"/>; add one line to <see cref="KfacApplication"/>'s list. In <see cref="Run"/>:
/// <list type="bullet">
/// <item>read options with <see cref="CommandContext.Get{T}(Option{T})"/>;</item>
/// <item>open the device with <see cref="CommandContext.OpenDevice"/> and dispose it;</item>
/// <item>finish with one <see cref="CommandContext.Report"/>, which prints the JSON object or the text for people;</item>
/// <item>send progress to <see cref="CommandContext.Progress"/> (standard error), never to standard output;</item>
/// <item>write files through <see cref="OutputFiles"/>, so that a failure leaves existing files untouched;</item>
/// <item>fail by throwing: the message is the one line that the user sees, so it says what was found and what was wanted.
/// <see cref="UsageException"/> gives exit code 2, everything else 1;</item>
/// <item>honour <see cref="CommandContext.Cancellation"/> in long work.</item>
/// </list>
/// </remarks>
internal abstract class KfacCommand(string name, string description) : Command(name, description)
{
    /// <summary>As it is typed after <c>kfac</c>: with the group that it is in.</summary>
    public string FullName => Parents.FirstOrDefault() is Command group and not RootCommand ? $"{group.Name} {Name}" : Name;

    /// <summary>Does the work.</summary>
    /// <returns>An <see cref="ExitCode"/>.</returns>
    public abstract int Run(CommandContext context);
}
