namespace KFac.Nn;

/// <summary>A generative transformer that predicts the next character of a text.</summary>
public sealed record TextWorkload : Workload
{
    private const int MadeCharacters = 200_000;

    /// <summary>Width 128, 4 blocks, 4 heads on windows of 64 characters; weights of embedding and output tied.</summary>
    public static TextWorkload ShakespeareGpt { get; } = new()
    {
        Name = "shakespeare-gpt",
        Length = 64,
        Width = 128,
        Depth = 4,
        Heads = 4,
        BatchSize = 32,
        Epochs = 4,
    };

    /// <summary>T, characters that a window predicts.</summary>
    public required int Length { get; init; }

    /// <summary>d.</summary>
    public required int Width { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Depth { get; init; }

    /// <summary>H; divides the width.</summary>
    public required int Heads { get; init; }

    /// <summary>Share that is dropped, 0 to less than 1.</summary>
    public float Dropout { get; init; }

    /// <inheritdoc/>
    public override string Example => "window";

    /// <inheritdoc/>
    public override IReadOnlyList<MetricDefinition> Metrics => [MetricDefinition.Loss, MetricDefinition.BitsPerCharacter];

    /// <inheritdoc/>
    public override IReadOnlyList<string> Describe() =>
    [
        .. base.Describe(),
        $"length={Length}",
        $"width={Width}",
        $"depth={Depth}",
        $"heads={Heads}",
        FormattableString.Invariant($"dropout={Dropout}"),
    ];

    /// <inheritdoc/>
    /// <remarks>Reads <c>input.txt</c>, see <see cref="TextCorpus"/>, or makes a text of 200,000 characters.</remarks>
    public override TrainingProblem Load(string? directory, ulong seed) => new TextProblem(
        this, directory is null ? TextCorpus.FromText("made sentences", MadeText.Make(MadeCharacters, seed)) : TextCorpus.Load(directory));

    /// <inheritdoc/>
    /// <remarks>K-FAC's norms learn at 0.03 η: at 0.1 η their scales run away on one seed in three at η = 0.03.</remarks>
    public override OptimizerSettings DefaultOptimizer(OptimizerKind kind) => kind == OptimizerKind.Kfac
        ? base.DefaultOptimizer(kind) with { OtherRate = 0.03 }
        : base.DefaultOptimizer(kind);

    internal Module BuildModel(int vocabulary) => GenerativeTransformer.Build(new GenerativeTransformerOptions
    {
        Vocabulary = vocabulary,
        Length = Length,
        Width = Width,
        Depth = Depth,
        Heads = Heads,
        Dropout = Dropout,
    });
}
