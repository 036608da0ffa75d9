namespace KFac.Nn;

/// <summary>What the loss of a case is a sum over.</summary>
public enum ExactnessSetting
{
    /// <summary>The M examples of a model without weight sharing: expand and reduce agree.</summary>
    NoSharing,

    /// <summary>The M·R rows of all examples (or R_M when ragged).</summary>
    Expand,

    /// <summary>The M examples, whose rows the model aggregates.</summary>
    Reduce,
}

/// <summary>Which approximations theory says are equal to the exact GGN.</summary>
[Flags]
public enum ExactApproximations
{
    /// <summary>Neither.</summary>
    None = 0,

    /// <summary>K-FAC-expand.</summary>
    Expand = 1,

    /// <summary>K-FAC-reduce.</summary>
    Reduce = 2,

    /// <summary>Both.</summary>
    Both = Expand | Reduce,
}

/// <summary>A small model with random data, and what theory says about K-FAC's error on each of its layers.</summary>
/// <remarks>All cases are in <see cref="ExactnessCases"/>; <see cref="ExactnessExperiment"/> runs one.</remarks>
public sealed record ExactnessCase
{
    /// <summary>The largest relative Frobenius error of a layer that theory says is exact.</summary>
    public const double MaximumExactError = 1e-5;

    internal ExactnessCase(IReadOnlyList<ExactnessStage> stages, ExactnessLoss loss)
    {
        Stages = stages;
        Loss = loss;
    }

    /// <summary>Unique; what the command line takes.</summary>
    public required string Name { get; init; }

    /// <summary>Model, loss and the reason for what is expected, in one line.</summary>
    public required string Description { get; init; }

    /// <summary>What the loss is a sum over.</summary>
    public required ExactnessSetting Setting { get; init; }

    /// <summary>What is exact for every layer that <see cref="Exceptions"/> does not name.</summary>
    public required ExactApproximations Exact { get; init; }

    /// <summary>What is exact for single layers, by name.</summary>
    public IReadOnlyDictionary<string, ExactApproximations> Exceptions { get; init; } =
        new Dictionary<string, ExactApproximations>();

    /// <summary>The smallest relative Frobenius error of an approximation that theory says is not exact: about half of
    /// the least that 200 seeds gave.</summary>
    public double MinimumInexactError { get; init; } = 0.04;

    /// <summary>[M, sharing dimensions…, P], or [R_M, P] with <see cref="RaggedOffsets"/>.</summary>
    public required TensorShape InputShape { get; init; }

    /// <summary>M + 1 offsets of the examples' rows where their number differs; null otherwise.</summary>
    public IReadOnlyList<int>? RaggedOffsets { get; init; }

    /// <summary>The model.</summary>
    internal IReadOnlyList<ExactnessStage> Stages { get; init; }

    /// <summary>The loss.</summary>
    internal ExactnessLoss Loss { get; }

    /// <summary>What is exact for one layer.</summary>
    public ExactApproximations ExactFor(string layer) => Exceptions.GetValueOrDefault(layer, Exact);

    /// <summary>The examples' offsets, ragged or not.</summary>
    internal IReadOnlyList<int> Offsets()
    {
        int sharing = InputShape.Rows / InputShape[0];
        return RaggedOffsets ?? [.. Enumerable.Range(0, InputShape[0] + 1).Select(n => n * sharing)];
    }

    internal Module Build() => new Sequential([.. Stages.Select(static stage => stage.Build())]);
}
