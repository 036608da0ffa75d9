namespace KFac.Nn;

/// <summary>An encoder-decoder transformer on made pairs of sequences.</summary>
public sealed record SequenceWorkload : Workload
{
    /// <summary>Reverses 4 to 12 symbols: width 64, two blocks on either side, 4 heads.</summary>
    public static SequenceWorkload CopyTransformer { get; } = new()
    {
        Name = "copy-transformer",
        Width = 64,
        HiddenWidth = 128,
        Depth = 2,
        Heads = 4,
        BatchSize = 64,
        Epochs = 10,
    };

    /// <summary>What is asked for; the run's seed makes the sequences.</summary>
    public SequenceTask Task { get; init; } = new();

    /// <summary>Pairs that train.</summary>
    public int TrainCount { get; init; } = 8_000;

    /// <summary>Pairs that validate.</summary>
    public int ValidationCount { get; init; } = 1_000;

    /// <summary>d.</summary>
    public required int Width { get; init; }

    /// <summary>Width of the perceptrons' hidden layers.</summary>
    public required int HiddenWidth { get; init; }

    /// <summary>Blocks on either side.</summary>
    public required int Depth { get; init; }

    /// <summary>H; divides the width.</summary>
    public required int Heads { get; init; }

    /// <summary>ε of label smoothing.</summary>
    public float LabelSmoothing { get; init; }

    /// <inheritdoc/>
    public override string Example => "pair";

    /// <inheritdoc/>
    public override IReadOnlyList<MetricDefinition> Metrics => [MetricDefinition.Loss, MetricDefinition.ExactMatch];

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Task.Validate();
        if (TrainCount < 1 || ValidationCount < 1)
        {
            throw new ArgumentException($"{TrainCount} pairs train and {ValidationCount} validate; wanted at least 1 of each.");
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Describe() =>
    [
        .. base.Describe(),
        $"width={Width}",
        $"hidden width={HiddenWidth}",
        $"depth={Depth}",
        $"heads={Heads}",
        FormattableString.Invariant($"label smoothing={LabelSmoothing}"),
    ];

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A directory is given: all data is made.</exception>
    public override TrainingProblem Load(string? directory, ulong seed) => directory is null
        ? new SequenceProblem(this, Task with { Seed = seed })
        : throw new ArgumentException($"{Name} makes its data and reads none; leave {directory} away.", nameof(directory));

    internal Module BuildModel() => EncoderDecoderTransformer.Build(new EncoderDecoderTransformerOptions
    {
        Vocabulary = Task.Vocabulary,
        Length = Task.Longest + 1,
        Width = Width,
        HiddenWidth = HiddenWidth,
        Heads = Heads,
        Depth = Depth,
        Dropout = 0,
    });
}
