using System.CommandLine;
using System.Globalization;
using KFac.Engine;
using KFac.Nn;

namespace KFac.Cli;

/// <summary>The options of <see cref="TrainCommand"/> that say what to train and how.</summary>
internal sealed class TrainArguments
{
    private const string PositiveNumber = "a finite number above 0";
    private const string NonNegativeNumber = "a finite number, at least 0";
    private const string PositiveCount = "a whole number, at least 1";

    private readonly Option<string?> _data = Text("--data", "DIR", "Directory of the workload's data; data is made when absent.");
    private readonly Option<string?> _hidden = Text("--hidden", "N,N,…", "Widths of the hidden layers; of an autoencoder those of the encoder.");
    private readonly Option<int?> _batch = Count("--batch", "Examples in a mini-batch.");

    private readonly Option<string> _optimizer = OptionFactory.Choice(
        "--optimizer", "The optimizer.", "kfac", [.. OptimizerSettings.Names]);

    private readonly Option<string> _approx = OptionFactory.Choice("--approx", "K-FAC's approximation.", "expand", "expand", "reduce");
    private readonly Option<double?> _learningRate = Positive("--learning-rate", "η", "Learning rate, the peak of the schedule.");

    private readonly Option<string> _schedule = OptionFactory.Choice(
        "--schedule", "How the learning rate decays to 0.", "constant", "constant", "cosine", "linear", "quadratic");

    private readonly Option<int?> _warmup = Count("--warmup", "Steps of linear warm-up.");

    private readonly Option<double?> _momentum = OptionFactory.OptionalNumber<double>(
        "--momentum", "μ", "Momentum; Adam's β₁.", static value => value is >= 0 and < 1, "at least 0 and less than 1");

    private readonly Option<double?> _weightDecay = NonNegative("--weight-decay", "W", "Weight decay.");
    private readonly Option<double?> _damping = NonNegative("--damping", "λ", "Damping of K-FAC and FOOF.");

    private readonly Option<string> _dampingStyle = OptionFactory.Choice(
        "--damping-style", "How λ enters K-FAC's inverse.", "pi", "pi", "factor", "product");

    private readonly Option<string> _curvature = OptionFactory.Choice(
        "--curvature", "Which output gradients go into K-FAC's B.", "mc", "exact", "mc", "empirical");

    private readonly Option<double?> _movingAverage = OptionFactory.OptionalNumber<double>(
        "--moving-average", "M", "Moving average of the factors.", static value => value is >= 0 and < 1, "at least 0 and less than 1");

    private readonly Option<int?> _factorInterval = Count("--factor-interval", "Steps between updates of the factors.");
    private readonly Option<int?> _inverseInterval = Count("--inverse-interval", "Steps between inversions of the factors.");
    private readonly Option<double?> _klClip = Positive("--kl-clip", "κ", "KL clipping of K-FAC's updates.");

    private readonly Option<string?> _otherParameters = OptionFactory.OptionalText(
        "--other-parameters",
        "K-FAC's rule for parameters without Kronecker structure: their gradient, or that over the root of its second moment; the workload's own when absent.",
        static text => text is "first-order" or "diagonal" ? text : null,
        "first-order or diagonal");

    private readonly Option<double?> _otherRate = Positive("--other-rate", "R", "Learning rate of those parameters over that of the others.");
    private readonly Option<double?> _gradientClip = Positive("--gradient-clip", "C", "Largest norm of the gradient.");
    private readonly Option<int?> _steps = Count("--steps", "End after N steps.");
    private readonly Option<int?> _epochs = Count("--epochs", "End after N epochs.");
    private readonly Option<string?> _target = Text("--target", "METRIC=VALUE", "End when an evaluation reaches it, for example validationAccuracy=0.97.");
    private readonly Option<int?> _evaluateEvery = Count("--evaluate-every", "Steps between evaluations; an epoch when absent.");
    private readonly Option<int?> _evaluateTrain = Count("--evaluate-train", "Training examples that an evaluation measures; all, at most 10,000, when absent.");
    private readonly Option<string?> _checkpoint = Text("--checkpoint", "DIR", "Keep a checkpoint here.");
    private readonly Option<int?> _checkpointEvery = Count("--checkpoint-every", "Steps between checkpoints; an epoch when absent.");
    private readonly Option<bool> _resume = new("--resume") { Description = "Go on from the checkpoint, or start when there is none yet." };
    private readonly Option<string?> _init = Text("--init", "FILE", "Start from the weights of a safetensors file.");
    private readonly Option<string?> _export = Text("--export", "FILE", "Write the weights at the end as safetensors.");
    private readonly Option<string?> _log = Text("--log", "FILE", "Write one JSON line per evaluation.");

    private Option[] BesideGrid =>
    [
        _optimizer, _approx, _learningRate, _schedule, _warmup, _momentum, _weightDecay, _damping, _dampingStyle, _curvature,
        _movingAverage, _factorInterval, _inverseInterval, _klClip, _otherParameters, _otherRate, _gradientClip, _steps, _epochs, _target, _evaluateTrain,
        _checkpoint, _checkpointEvery, _resume, _log, _init, _export,
    ];

    /// <summary>Declares the options on the command.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_data, _hidden, _batch, _evaluateEvery, .. BesideGrid])
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
    public Workload ReadWorkload(CommandContext context, string name) => Checked(() =>
    {
        Workload workload = Workload.Find(name);
        workload = workload with { BatchSize = context.Get(_batch) ?? workload.BatchSize };
        if (context.Get(_hidden) is string widths)
        {
            workload = workload is PerceptronWorkload perceptron
                ? perceptron with { HiddenWidths = ParseWidths(widths) }
                : throw new ArgumentException($"{name} has no --hidden widths.");
        }

        workload.Validate();
        return workload;
    });

    /// <summary>Everything but the schedule, which may depend on the data.</summary>
    /// <exception cref="UsageException">Options do not go together.</exception>
    public TrainingOptions ReadOptions(CommandContext context, Workload workload) => Checked(() =>
    {
        var options = new TrainingOptions
        {
            Workload = workload,
            Optimizer = ReadOptimizer(context, workload),
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
    public LearningRateSchedule? ReadSchedule(CommandContext context, TrainingOptions options, TrainingProblem problem) => Checked(() =>
    {
        long steps = options.LastStep(problem.CountOf(DataPart.Train));
        long warmup = context.Get(_warmup) ?? 0;
        double peak = options.Optimizer.LearningRate;
        LearningRateSchedule? schedule = context.Required(_schedule) switch
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
        foreach (Option option in (Option[])[.. BesideGrid, plot])
        {
            if (context.IsGiven(option))
            {
                throw new UsageException($"{option.Name} cannot be used with --grid.");
            }
        }
    }

    private static T Checked<T>(Func<T> read)
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

    private OptimizerSettings ReadOptimizer(CommandContext context, Workload workload)
    {
        OptimizerKind kind = OptimizerSettings.Find(context.Required(_optimizer));
        OptimizerSettings settings = workload.DefaultOptimizer(kind);
        settings = settings with
        {
            LearningRate = context.Get(_learningRate) ?? settings.LearningRate,
            Momentum = context.Get(_momentum) ?? settings.Momentum,
            WeightDecay = context.Get(_weightDecay) ?? settings.WeightDecay,
            Damping = context.Get(_damping) ?? settings.Damping,
            MovingAverage = context.Get(_movingAverage) ?? settings.MovingAverage,
            FactorInterval = context.Get(_factorInterval) ?? settings.FactorInterval,
            InverseInterval = context.Get(_inverseInterval) ?? settings.InverseInterval,
            KlClip = context.Get(_klClip) ?? settings.KlClip,
            OtherRate = context.Get(_otherRate) ?? settings.OtherRate,
            OtherParameters = context.Get(_otherParameters) switch
            {
                "diagonal" => OtherParameterRule.Diagonal,
                "first-order" => OtherParameterRule.FirstOrder,
                _ => settings.OtherParameters,
            },
            Approximation = context.Required(_approx) == "reduce" ? SharingApproximation.Reduce : SharingApproximation.Expand,
            DampingStyle = context.Required(_dampingStyle) switch
            {
                "factor" => DampingStyle.PerFactor,
                "product" => DampingStyle.Product,
                _ => DampingStyle.FactoredPi,
            },
            Curvature = context.Required(_curvature) switch
            {
                "exact" => CurvatureKind.Exact,
                "empirical" => CurvatureKind.Empirical,
                _ => CurvatureKind.MonteCarlo,
            },
        };
        return settings;
    }

    private static Option<string?> Text(string name, string helpName, string description) =>
        new(name) { Description = description, HelpName = helpName };

    private static Option<int?> Count(string name, string description) =>
        OptionFactory.OptionalNumber<int>(name, "N", description, static value => value >= 1, PositiveCount);

    private static Option<double?> Positive(string name, string helpName, string description) => OptionFactory.OptionalNumber<double>(
        name, helpName, description, static value => value > 0 && double.IsFinite(value), PositiveNumber);

    private static Option<double?> NonNegative(string name, string helpName, string description) => OptionFactory.OptionalNumber<double>(
        name, helpName, description, static value => value >= 0 && double.IsFinite(value), NonNegativeNumber);
}
