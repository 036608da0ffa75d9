using KFac.Kernels;

namespace KFac.Nn;

/// <summary>A kind of model and the data it is trained on, as <c>kfac train</c> knows them.</summary>
public abstract record Workload
{
    private const ulong InitialisationSequence = 0x494E_4954;

    /// <summary>All workloads.</summary>
    public static IReadOnlyList<Workload> All { get; } =
    [
        PerceptronWorkload.MnistMlp,
        PerceptronWorkload.MnistAutoencoder,
        VisionTransformerWorkload.Mnist,
        VisionTransformerWorkload.Cifar10,
        TextWorkload.ShakespeareGpt,
        SequenceWorkload.CopyTransformer,
        GraphConvolutionWorkload.Cora,
        GraphNetworkWorkload.Tox21,
        ConvolutionWorkload.MnistCnn,
        ConvolutionWorkload.MnistResNet8,
        ConvolutionWorkload.CifarWideResNet,
        ConvolutionWorkload.CifarVgg,
        ConvolutionWorkload.CifarResNet,
    ];

    /// <summary>As on the command line.</summary>
    public required string Name { get; init; }

    /// <summary>M, examples in a mini-batch.</summary>
    public required int BatchSize { get; init; }

    /// <summary>How long to train when nothing else is asked for.</summary>
    public required int Epochs { get; init; }

    /// <summary>Whether layers share weights over parts of an example, so that expand and reduce differ.</summary>
    public virtual bool SharesWeights => true;

    /// <summary>What one example is, in the singular, for people.</summary>
    public abstract string Example { get; }

    /// <summary>What an evaluation measures on every part, the loss first.</summary>
    public abstract IReadOnlyList<MetricDefinition> Metrics { get; }

    /// <summary>The parts of the data that an evaluation measures.</summary>
    public virtual IReadOnlyList<DataPart> Parts => [DataPart.Train, DataPart.Validation];

    /// <summary>Names of the metrics of an evaluation, part by part.</summary>
    public IReadOnlyList<string> MetricNames => [.. Parts.SelectMany(part => Metrics.Select(metric => metric.NameIn(part)))];

    /// <summary>The workload of that name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists all.</exception>
    public static Workload Find(string name) => All.FirstOrDefault(workload => workload.Name == name)
        ?? throw new ArgumentException($"There is no workload '{name}'; wanted one of {string.Join(", ", All.Select(static workload => workload.Name))}.");

    /// <summary>Reads the data, or makes some where there is none.</summary>
    /// <param name="directory">Where the data is; null to make it.</param>
    /// <param name="seed">Of made data.</param>
    /// <exception cref="IOException">The data is not there.</exception>
    /// <exception cref="InvalidDataException">It is unsound; one line names the file and what is wrong.</exception>
    public abstract TrainingProblem Load(string? directory, ulong seed);

    /// <summary>Settings that do well.</summary>
    public virtual OptimizerSettings DefaultOptimizer(OptimizerKind kind) => OptimizerSettings.UsualFor(kind);

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public virtual void Validate()
    {
        if (BatchSize < 1)
        {
            throw new ArgumentException($"The batch size is {BatchSize}; wanted at least 1.");
        }

        if (Epochs < 1)
        {
            throw new ArgumentException($"The number of epochs is {Epochs}; wanted at least 1.");
        }
    }

    /// <summary>Lines that tell the model from other models; a checkpoint keeps them.</summary>
    public virtual IReadOnlyList<string> Describe() => [$"workload={Name}", FormattableString.Invariant($"batch size={BatchSize}")];

    /// <summary>The random numbers that initial weights come from.</summary>
    internal static PhiloxKey InitialisationKey(ulong seed) => new(seed, InitialisationSequence);
}
