using System.CommandLine;
using System.CommandLine.Parsing;

namespace KFac.Cli;

/// <summary>The command line: parses, runs one command, and turns every failure into an exit code and one line.</summary>
/// <remarks>Holds no state beyond its writers, so tests run commands in process. Exit codes are listed in
/// <see cref="ExitCode"/>.</remarks>
internal sealed class KfacApplication
{
    private readonly TextWriter _output;
    private readonly TextWriter _error;
    private readonly CancellationToken _cancellation;
    private readonly CommonOptions _common = new();
    private readonly RootCommand _root;

    public KfacApplication(TextWriter output, TextWriter error, CancellationToken cancellation)
    {
        _output = output;
        _error = error;
        _cancellation = cancellation;
        _root = new RootCommand("Kronecker-factored curvature: factors, inverses, preconditioning, training.");
        _common.AddTo(_root);
        Add(_root, Commands());
        var bench = new Command("bench", "Time what the machine does, against its limits and against PyTorch.");
        _root.Add(bench);
        Add(bench, BenchCommands());
    }

    /// <summary>Runs the command that <paramref name="arguments"/> name.</summary>
    /// <returns>The process's exit code.</returns>
    public int Run(IReadOnlyList<string> arguments)
    {
        ParseResult parse = _root.Parse(arguments.Count > 0 && arguments[0] == "help" ? [.. arguments.Skip(1), "--help"] : arguments);
        if (parse.Errors.Count > 0)
        {
            string name = NameOf(parse.CommandResult);
            string problem = parse.UnmatchedTokens.Count > 0
                ? $"'{parse.UnmatchedTokens[0]}' is neither a command nor an option here."
                : parse.Errors[0].Message;
            WriteLine($"{name}: {problem} See {name} --help.");
            return ExitCode.Usage;
        }

        var configuration = new InvocationConfiguration
        {
            Output = _output,
            Error = _error,
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
        };
        return parse.Invoke(configuration);
    }

    /// <summary>As it was typed: <c>kfac bench</c>.</summary>
    private static string NameOf(SymbolResult? result) => result is CommandResult { Command: not RootCommand } command
        ? $"{NameOf(command.Parent)} {command.Command.Name}"
        : "kfac";

    private static KfacCommand[] Commands() =>
    [
        new DevicesCommand(),
        new FactorsCommand(),
        new InverseCommand(),
        new EighCommand(),
        new PreconditionCommand(),
        new TrainCommand(),
        new TuneCommand(),
        new ExactnessCommand(),
    ];

    private static BenchCommand[] BenchCommands() =>
    [
        new BenchLimitsCommand(),
        new BenchFactorsCommand(),
        new BenchGemmCommand(),
        new BenchConvolutionCommand(),
        new BenchInverseCommand(),
        new BenchPreconditionCommand(),
        new BenchStepCommand(),
        new BenchElementwiseCommand(),
    ];

    private void Add(Command group, IEnumerable<KfacCommand> commands)
    {
        foreach (KfacCommand command in commands)
        {
            command.SetAction(parse => Execute(command, parse));
            group.Add(command);
        }
    }

    private int Execute(KfacCommand command, ParseResult parse)
    {
        CommonValues common = _common.Read(parse);
        var context = new CommandContext(parse, common, _output, _error, _cancellation);
        try
        {
            return command.Run(context);
        }
        catch (UsageException exception)
        {
            WriteLine($"kfac {command.FullName}: {exception.Message} See kfac {command.FullName} --help.");
            return ExitCode.Usage;
        }
        catch (Exception exception)
        {
            WriteLine($"kfac {command.FullName}: {Describe(exception)}");
            if (common.Verbose)
            {
                _error.WriteLine(exception);
            }

            return ExitCode.Failure;
        }
    }

    private static string Describe(Exception exception) => exception switch
    {
        OperationCanceledException => "cancelled.",
        ArgumentException { ParamName: string parameter } => exception.Message.Replace($" (Parameter '{parameter}')", string.Empty, StringComparison.Ordinal),
        OutOfMemoryException => $"out of memory: {exception.Message}",
        _ => exception.Message,
    };

    private void WriteLine(string message) =>
        _error.WriteLine(string.Join(' ', message.Split((char[])['\r', '\n', '\t'], StringSplitOptions.RemoveEmptyEntries)));
}
