using System.CommandLine;
using System.Globalization;
using KFac.Engine;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>The options of <see cref="TrainCommand"/> that say how long to train, what to measure and what to keep.</summary>
internal sealed class TrainArguments
{
    private readonly WorkloadArguments _workload = new();
    private readonly OptimizerArguments _optimizer = new();
    private readonly Option<string?> _data = OptionFactory.OptionalPath("--data", "Directory of the workload's data; data is made when absent.", "DIR");

    private readonly Option<string?> _hidden = new("--hidden")
    {
        Description = "Widths of the hidden layers of a perceptron; of an autoencoder those of the encoder.",
        HelpName = "N,N,…",
    };

    private readonly Option<string> _schedule = OptionFactory.Choice(
        "--schedule", "How the learning rate decays to 0.", "constant", "constant", "cosine", "linear", "quadratic");

    private readonly Option<int?> _warmup = OptionFactory.Count("--warmup", "Steps of linear warm-up.");
    private readonly Option<double?> _gradientClip = OptionFactory.Positive("--gradient-clip", "C", "Largest norm of the gradient.");
    private readonly Option<int?> _steps = OptionFactory.Count("--steps", "End after N steps.");
    private readonly Option<int?> _epochs = OptionFactory.Count("--epochs", "End after N epochs.");

    private readonly Option<string?> _target = new("--target")
    {
        Description = "End when an evaluation reaches it, for example validationAccuracy=0.97.",
        HelpName = "METRIC=VALUE",
    };

    private readonly Option<int?> _evaluateEvery = OptionFactory.Count("--evaluate-every", "Steps between evaluations; an epoch when absent.");

    private readonly Option<int?> _evaluateTrain = OptionFactory.Count(
        "--evaluate-train", "Training examples that an evaluation measures; all, at most 10,000, when absent.");

    private readonly Option<string?> _checkpoint = OptionFactory.OptionalPath("--checkpoint", "Keep a checkpoint here.", "DIR");
    private readonly Option<int?> _checkpointEvery = OptionFactory.Count("--checkpoint-every", "Steps between checkpoints; an epoch when absent.");
    private readonly Option<bool> _resume = new("--resume") { Description = "Go on from the checkpoint, or start when there is none yet." };
    private readonly Option<string?> _init = OptionFactory.OptionalPath("--init", "Start from the weights of a safetensors file.");
    private readonly Option<string?> _export = OptionFactory.OptionalPath("--export", "Write the weights at the end as safetensors.");
    private readonly Option<string?> _log = OptionFactory.OptionalPath("--log", "Write one JSON line per evaluation.");

    private IEnumerable<Option> BesideGrid =>
    [
        .. _optimizer.Options, _schedule, _warmup, _gradientClip, _steps, _epochs, _target, _evaluateTrain,
        _checkpoint, _checkpointEvery, _resume, _log, _init, _export,
    ];

    /// <summary>Declares the options on the command.</summary>
    public void AddTo(Command command)
    {
        _workload.AddTo(command);
        foreach (Option option in (Option[])[_data, _hidden, _evaluateEvery, .. BesideGrid])
        {
            command.Add(option);
        }
    }

    /// <summary>Where the data is; null to make it.</summary>
    public string? DataDirectory(CommandContext context) => context.Get(_data);

    /// <summary>Where initial weights are; null to draw them.</summary>
    public string? InitialWeights(CommandContext context) => context.Get(_init);

    /// <summary>Where weights go at the end; null for nowhere.</summary>
    public string? Export(CommandContext context) => context.Get(_export);

    /// <summary>Steps between evaluations; null for the default.</summary>
    public int? EvaluationInterval(CommandContext context) => context.Get(_evaluateEvery);

    /// <summary>The workload with what was given in place of its own.</summary>
    /// <exception cref="UsageException">There is no such workload, or a width is out of range.</exception>
    public Workload ReadWorkload(CommandContext context) => UsageException.Of(() =>
    {
        Workload workload = _workload.Read(context);
        if (context.Get(_hidden) is string widths)
        {
            workload = workload is PerceptronWorkload perceptron
                ? perceptron with { HiddenWidths = ParseWidths(widths) }
                : throw new ArgumentException($"{workload.Name} has no --hidden widths.");
        }

        workload.Validate();
        return workload;
    });

    /// <summary>Everything but the schedule, which may depend on the data.</summary>
    /// <exception cref="UsageException">Options do not go together.</exception>
    public TrainingOptions ReadOptions(CommandContext context, Workload workload) => UsageException.Of(() =>
    {
        var options = new TrainingOptions
        {
            Workload = workload,
            Optimizer = _optimizer.Read(context, workload),
            Seed = context.Seed,
            Steps = context.Get(_steps),
            Epochs = context.Get(_epochs),
            Target = context.Get(_target) is string target ? TrainingTarget.Parse(target) : null,
            EvaluationInterval = context.Get(_evaluateEvery),
            TrainEvaluationCount = context.Get(_evaluateTrain),
            GradientClip = context.Get(_gradientClip),
            CheckpointDirectory = context.Get(_checkpoint),
            CheckpointInterval = context.Get(_checkpointEvery),
            Resume = context.Get(_resume),
            LogFile = context.Get(_log),
        };
        options.Validate();
        return options;
    });

    /// <summary>The schedule over all steps of the run; null for a constant rate.</summary>
    /// <exception cref="UsageException">The warm-up is longer than the run.</exception>
    public LearningRateSchedule? ReadSchedule(CommandContext context, TrainingOptions options, TrainingProblem problem) => UsageException.Of(() =>
    {
        long steps = options.LastStep(problem.CountOf(DataPart.Train));
        long warmup = context.Get(_warmup) ?? 0;
        string wanted = context.Required(_schedule);
        if (warmup >= steps && wanted != "constant")
        {
            throw new ArgumentException($"--warmup is {warmup} in a run of {steps} steps; wanted fewer, so that the rate can decay.");
        }

        double peak = options.Optimizer.LearningRate;
        LearningRateSchedule? schedule = wanted switch
        {
            "cosine" => new WarmupCosineSchedule(peak, warmup, steps),
            "linear" => new WarmupLinearSchedule(peak, warmup, steps),
            "quadratic" => new WarmupPolynomialSchedule(peak, warmup, steps, Power: 2),
            _ => warmup > 0 ? new WarmupLinearSchedule(peak, warmup, warmup + 1, Final: peak) : null,
        };
        schedule?.Validate();
        return schedule;
    });

    /// <summary>Refuses options that a grid chooses itself or does not have.</summary>
    /// <exception cref="UsageException">One was given.</exception>
    public void RefuseBesideGrid(CommandContext context, Option plot)
    {
        foreach (Option option in BesideGrid.Append(plot))
        {
            if (context.IsGiven(option))
            {
                throw new UsageException($"{option.Name} cannot be used with --grid.");
            }
        }
    }

    private static int[] ParseWidths(string text)
    {
        string[] parts = text.Split(',');
        var widths = new int[parts.Length];
        for (int i = 0; i < parts.Length; i++)
        {
            if (!int.TryParse(parts[i], NumberStyles.None, CultureInfo.InvariantCulture, out widths[i]))
            {
                throw new ArgumentException($"--hidden is '{text}'; wanted whole numbers with commas between, for example 1000,500.");
            }
        }

        return widths;
    }
}
