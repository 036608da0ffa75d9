namespace KFac.Nn;

/// <summary>A graph convolutional network that classifies the nodes of one graph, some of them labelled (Kipf and Welling 2017).</summary>
/// <remarks>Every step runs on the whole graph; a batch chooses the nodes whose labels count, and the loss is their mean. An
/// example is such a node. K-FAC's M is the number of all nodes, see <see cref="GraphConvolution"/>.</remarks>
public sealed record GraphConvolutionWorkload : Workload
{
    /// <summary>Two layers, 16 hidden units and dropout of one half, on Cora or a made graph like it.</summary>
    public static GraphConvolutionWorkload Cora { get; } = new() { Name = "cora-gcn", BatchSize = 140, Epochs = 200 };

    /// <summary>Widths of the hidden layers.</summary>
    public IReadOnlyList<int> HiddenWidths { get; init; } = [16];

    /// <summary>Share of each layer's inputs that is dropped in training.</summary>
    public float Dropout { get; init; } = 0.5f;

    /// <inheritdoc/>
    public override bool SharesWeights => false;

    /// <inheritdoc/>
    public override string Example => "node";

    /// <inheritdoc/>
    public override IReadOnlyList<MetricDefinition> Metrics => [MetricDefinition.Loss, MetricDefinition.Accuracy];

    /// <inheritdoc/>
    public override IReadOnlyList<DataPart> Parts => [DataPart.Train, DataPart.Validation, DataPart.Test];

    /// <inheritdoc/>
    public override TrainingProblem Load(string? directory, ulong seed) =>
        new NodeProblem(this, directory is null ? MadeNodes.Make(seed) : NodeDataDirectory.Load(directory));

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Model(inputWidth: 1, outputWidth: 1).Validate();
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Describe() =>
        [.. base.Describe(), FormattableString.Invariant($"hidden widths={string.Join('-', HiddenWidths)}, dropout={Dropout}")];

    /// <inheritdoc/>
    public override OptimizerSettings DefaultOptimizer(OptimizerKind kind)
    {
        OptimizerSettings usual = base.DefaultOptimizer(kind) with { WeightDecay = 5e-4 };
        return kind switch
        {
            OptimizerKind.Kfac => usual with { LearningRate = 0.05, Momentum = 0.9, Damping = 0.003, InverseInterval = 2, KlClip = null },
            OptimizerKind.AdamW or OptimizerKind.NAdamW => usual with { LearningRate = 0.01, WeightDecay = 0.05 },
            OptimizerKind.Sgd or OptimizerKind.Nesterov => usual with { LearningRate = 0.5 },
            _ => usual,
        };
    }

    internal GraphConvolutionNetworkOptions Model(int inputWidth, int outputWidth) => new()
    {
        InputWidth = inputWidth,
        HiddenWidths = HiddenWidths,
        OutputWidth = outputWidth,
        Dropout = Dropout,
    };
}
