namespace KFac.Nn;

/// <summary>A figure that tells how well a model does on a part of the data.</summary>
/// <param name="Name">Without the part, in Pascal case, for example <c>Accuracy</c>.</param>
/// <param name="Label">Of a plot's axis.</param>
/// <param name="HigherIsBetter">Whether a target is reached from below.</param>
public sealed record MetricDefinition(string Name, string Label, bool HigherIsBetter)
{
    /// <summary>Mean loss in nats per term.</summary>
    public static MetricDefinition Loss { get; } = new("Loss", "loss [nats]", false);

    /// <summary>Share of labels that the largest output names.</summary>
    public static MetricDefinition Accuracy { get; } = new("Accuracy", "accuracy", true);

    /// <summary><c>Σ (x̂ − x)²</c> over the values of an example, averaged over examples.</summary>
    public static MetricDefinition SquaredError { get; } = new("SquaredError", "squared error", false);

    /// <summary>Mean loss in bits per character of a text.</summary>
    public static MetricDefinition BitsPerCharacter { get; } = new("BitsPerCharacter", "bits per character", false);

    /// <summary>Share of sequences with every element right.</summary>
    public static MetricDefinition ExactMatch { get; } = new("ExactMatch", "exact match", true);

    /// <summary>Average precision, averaged over tasks that have positive and negative labels.</summary>
    public static MetricDefinition AveragePrecision { get; } = new("AveragePrecision", "mean average precision", true);

    /// <summary>Area under the receiver operating characteristic, averaged over the same tasks.</summary>
    public static MetricDefinition RocAuc { get; } = new("RocAuc", "ROC-AUC", true);

    /// <summary>All figures that workloads report.</summary>
    public static IReadOnlyList<MetricDefinition> All { get; } =
        [Loss, Accuracy, SquaredError, BitsPerCharacter, ExactMatch, AveragePrecision, RocAuc];

    /// <summary>As in results and targets: the part in front, for example <c>validationAccuracy</c>.</summary>
    public string NameIn(DataPart part) => part.ToString().ToLowerInvariant() + Name;

    /// <summary>Whether the metric of a full name, for example <c>testAccuracy</c>, is the better the higher.</summary>
    public static bool IsHigherBetter(string fullName)
    {
        ArgumentNullException.ThrowIfNull(fullName);
        return All.Any(metric => metric.HigherIsBetter && fullName.EndsWith(metric.Name, StringComparison.Ordinal));
    }
}
