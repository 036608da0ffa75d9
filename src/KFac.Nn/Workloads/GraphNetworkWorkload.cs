namespace KFac.Nn;

/// <summary>A graph network that predicts several binary properties of each graph, some of them not labelled.</summary>
/// <remarks>The architecture of AlgoPerf's ogbg workload, narrower and with fewer blocks by default, since its data sets are
/// much smaller. Any directory in OGB's raw molecule layout is fine as data.</remarks>
public sealed record GraphNetworkWorkload : Workload
{
    /// <summary>Three blocks of width 128, on Tox21 or made graphs.</summary>
    public static GraphNetworkWorkload Tox21 { get; } = new() { Name = "tox21-graphnet", BatchSize = 128, Epochs = 20 };

    /// <summary>Width of embeddings, edges, nodes and globals.</summary>
    public int Width { get; init; } = 128;

    /// <summary>Rounds of message passing.</summary>
    public int Blocks { get; init; } = 3;

    /// <summary>How nodes gather edges and graphs gather nodes and edges.</summary>
    public GraphAggregation Aggregation { get; init; } = GraphAggregation.Sum;

    /// <summary>Share of each update's outputs that is dropped in training.</summary>
    public float Dropout { get; init; } = 0.1f;

    /// <inheritdoc/>
    public override string Example => "graph";

    /// <inheritdoc/>
    public override IReadOnlyList<MetricDefinition> Metrics =>
        [MetricDefinition.Loss, MetricDefinition.AveragePrecision, MetricDefinition.RocAuc];

    /// <inheritdoc/>
    public override IReadOnlyList<DataPart> Parts => [DataPart.Train, DataPart.Validation, DataPart.Test];

    /// <inheritdoc/>
    public override TrainingProblem Load(string? directory, ulong seed) =>
        new GraphProblem(this, directory is null ? MadeGraphs.Make(seed) : GraphDataDirectory.Load(directory));

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Model(nodeFeatures: 1, edgeFeatures: 1, tasks: 1).Validate();
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Describe() =>
    [
        .. base.Describe(),
        FormattableString.Invariant($"width={Width}, blocks={Blocks}, aggregation={Aggregation}, dropout={Dropout}"),
    ];

    internal GraphNetworkOptions Model(int nodeFeatures, int edgeFeatures, int tasks) => new()
    {
        NodeFeatures = nodeFeatures,
        EdgeFeatures = edgeFeatures,
        OutputWidth = tasks,
        EmbeddingWidth = Width,
        HiddenWidths = [Width],
        Blocks = Blocks,
        Aggregation = Aggregation,
        Dropout = Dropout,
    };
}
