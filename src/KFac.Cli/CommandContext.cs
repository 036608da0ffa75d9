using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using KFac.Kernels;
using Spectre.Console;

namespace KFac.Cli;

/// <summary>What a running command sees of the world: its options, its device, its writers.</summary>
internal sealed class CommandContext(
    ParseResult parse, CommonValues common, TextWriter output, TextWriter error, CancellationToken cancellation)
{
    /// <summary>Seed of all random numbers.</summary>
    public ulong Seed => common.Seed;

    /// <summary>Whether the result is printed as JSON.</summary>
    public bool Json => common.Json;

    /// <summary>How a GPU multiplies matrices.</summary>
    public MatrixPrecision Precision => common.Precision;

    /// <summary>Requested when the user interrupts.</summary>
    public CancellationToken Cancellation => cancellation;

    /// <summary>For progress and warnings: standard error.</summary>
    public IAnsiConsole Progress { get; } = ConsoleText.Open(error);

    /// <summary>The command line that was given.</summary>
    public string CommandText => $"kfac {string.Join(' ', parse.Tokens)}";

    /// <summary>An option's value, or its default.</summary>
    public T? Get<T>(Option<T> option) => parse.GetValue(option);

    /// <summary>The value of an option that is required or has a default.</summary>
    public T Required<T>(Option<T> option) => parse.GetRequiredValue(option);

    /// <summary>The value of an argument that is required or has a default.</summary>
    public T Required<T>(Argument<T> argument) => parse.GetRequiredValue(argument);

    /// <summary>Whether the option was given, rather than left to its default.</summary>
    public bool IsGiven(Option option) => parse.GetResult(option) is { Implicit: false };

    /// <summary>Opens the device of <c>--device</c> with <c>--threads</c>, <c>--vector-width</c> and <c>--precision</c>; the caller disposes it.</summary>
    /// <exception cref="DeviceUnavailableException">It cannot be used here.</exception>
    public Device OpenDevice() =>
        Device.Open(
            common.Device,
            new DeviceOptions { Threads = common.Threads, MaxVectorWidth = common.VectorWidth, Precision = common.Precision });

    /// <summary>Prints the command's result on standard output: one JSON object with <c>--json</c>, else text for people.</summary>
    /// <param name="type">From a source-generated context, so that the tool can be compiled ahead of time.</param>
    public void Report<T>(T result, JsonTypeInfo<T> type, Action<IAnsiConsole> forPeople)
    {
        if (common.Json)
        {
            output.WriteLine(JsonSerializer.Serialize(result, type));
        }
        else
        {
            forPeople(ConsoleText.Open(output));
        }
    }
}
