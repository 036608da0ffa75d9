using KFac.Kernels;

namespace KFac.Nn;

/// <summary>The cases in which theory says where K-FAC equals the exact GGN and where it does not.</summary>
/// <remarks>Propositions 1, 2, 4 and 6 of the paper are 3.2, 3.3, 3.5 and 3.6 of the thesis.</remarks>
public static class ExactnessCases
{
    private const int Width = 8;
    private const int Depth = 6;
    private const int Examples = 4;
    private const int Sharing = 2;
    private const int Sequence = 5;

    /// <summary>The case of the thesis's figure 4.1.</summary>
    public const string ExpandFigureCase = "deep-linear-expand";

    /// <summary>The case of the thesis's figure 4.2.</summary>
    public const string ReduceFigureCase = "deep-linear-reduce-mean";

    /// <summary>Every case, in a fixed order.</summary>
    public static IReadOnlyList<ExactnessCase> All { get; } =
    [
        .. SingleLayer(),
        .. DeepLinear(),
        .. WithoutSharing(),
        .. Attention(),
    ];

    /// <summary>The case of that name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists the names.</exception>
    public static ExactnessCase Named(string name) => All.FirstOrDefault(candidate => candidate.Name == name)
        ?? throw new ArgumentException($"There is no case '{name}'; wanted one of {string.Join(", ", All.Select(candidate => candidate.Name))}.");

    private static IEnumerable<ExactnessCase> SingleLayer()
    {
        LinearStage layer = new("layer1", 5, 4, Bias: true);
        GaussianLoss loss = GaussianLoss.Correlated(4);
        ExactnessStage[] aggregated = [layer, new AggregationStage(SharingScale.Mean)];
        yield return Shared("linear-expand", ExactnessSetting.Expand, [layer], loss, width: 5) with
        {
            Description = "one linear layer, Gaussian loss (Proposition 1)",
        };
        yield return Shared("linear-reduce", ExactnessSetting.Reduce, aggregated, loss, width: 5) with
        {
            Description = "one linear layer and a mean, Gaussian loss (Proposition 4)",
        };
    }

    private static IEnumerable<ExactnessCase> DeepLinear()
    {
        GaussianLoss loss = GaussianLoss.Correlated(Width);
        foreach (bool bias in (bool[])[false, true])
        {
            string suffix = bias ? "-bias" : "";
            string model = $"{Depth} linear layers{(bias ? " with biases" : "")}, Gaussian loss";
            yield return Shared($"deep-linear-expand{suffix}", ExactnessSetting.Expand, LinearLayers(bias), loss) with
            {
                Description = $"{model} (Proposition 2)",
            };
            foreach (SharingScale scale in (SharingScale[])[SharingScale.Mean, SharingScale.Sum])
            {
                string aggregation = scale == SharingScale.Mean ? "mean" : "sum";
                ExactnessStage[] stages = [.. LinearLayers(bias), new AggregationStage(scale)];
                yield return Shared($"deep-linear-reduce-{aggregation}{suffix}", ExactnessSetting.Reduce, stages, loss) with
                {
                    Description = $"{model}, {aggregation} over the sharing dimension (Proposition 6)",
                };
            }
        }

        yield return Shared("deep-linear-reduce-inside", ExactnessSetting.Reduce, AggregatedInside(), loss) with
        {
            Description = "a mean after layer 3 of 6: layers behind it share nothing, so both are exact there",
            Exceptions = Layers(ExactApproximations.Both, "layer4", "layer5", "layer6"),
        };
        yield return Shared("deep-linear-grid-expand", ExactnessSetting.Expand, LinearLayers(bias: true), loss) with
        {
            Description = "two sharing dimensions, flattened into one",
            InputShape = TensorShape.Of(3, 2, 3, Width),
        };
        yield return Shared("deep-linear-ragged-expand", ExactnessSetting.Expand, LinearLayers(bias: true), loss) with
        {
            Description = "examples with 1, 3, 0 and 4 rows",
            InputShape = TensorShape.Of(8, Width),
            RaggedOffsets = [0, 1, 4, 4, 8],
        };
        foreach (SharingScale scale in (SharingScale[])[SharingScale.InverseSquareRoot, SharingScale.Mean])
        {
            bool matches = scale == SharingScale.InverseSquareRoot;
            ExactnessStage[] stages = [.. LinearLayers(bias: true), new AggregationStage(scale)];
            yield return Shared($"deep-linear-ragged-{(matches ? "reduce" : "mean")}", ExactnessSetting.Reduce, stages, loss) with
            {
                Description = matches
                    ? "examples with 1, 3 and 4 rows, summed and divided by √R_n as ragged reduce does"
                    : "examples with 1, 3 and 4 rows, averaged: ragged reduce weighs them otherwise, so neither is exact",
                Exact = matches ? ExactApproximations.Reduce : ExactApproximations.None,
                InputShape = TensorShape.Of(8, Width),
                RaggedOffsets = [0, 1, 4, 8],
            };
        }

        yield return Shared("deep-linear-softmax", ExactnessSetting.Expand, LinearLayers(bias: false), new SoftmaxLoss()) with
        {
            Description = "the loss Hessian differs from row to row, so neither is exact",
            Exact = ExactApproximations.None,
            MinimumInexactError = 0.01,
        };
    }

    private static IEnumerable<ExactnessCase> WithoutSharing()
    {
        yield return Perceptron("mlp-tanh", ActivationKind.Tanh, new SoftmaxLoss(), examples: 1);
        yield return Perceptron("mlp-relu", ActivationKind.Relu, GaussianLoss.Correlated(4), examples: 1);
        yield return Perceptron("mlp-gelu", ActivationKind.Gelu, new LogisticLoss(), examples: 1);
        yield return Perceptron("mlp-sigmoid", ActivationKind.Sigmoid, new SoftmaxLoss(), examples: 1);
        yield return Perceptron("mlp-tanh-batch", ActivationKind.Tanh, new SoftmaxLoss(), Examples, bias: false) with
        {
            Description = "more than one example: inputs and output gradients vary together, so K-FAC is not exact",
            Exact = ExactApproximations.None,
            MinimumInexactError = 0.005,
        };
    }

    private static IEnumerable<ExactnessCase> Attention()
    {
        const string LastQuery = "block2.query";
        ExactnessStage[] blocks = [new AttentionStage("block1", Width, 6, 7), new AttentionStage("block2", 7, 5, Width)];
        GaussianLoss loss = GaussianLoss.Correlated(Width);
        ExactnessCase expand = Shared("attention-expand", ExactnessSetting.Expand, blocks, loss) with
        {
            Description = "two blocks of self-attention, one example: exact for the last W_Q only (thesis, section 3.2)",
            Exact = ExactApproximations.None,
            Exceptions = Layers(ExactApproximations.Expand, LastQuery),
            InputShape = TensorShape.Of(1, Sequence, Width),
        };
        ExactnessCase reduce = expand with
        {
            Name = "attention-reduce",
            Setting = ExactnessSetting.Reduce,
            Stages = [.. blocks, new AggregationStage(SharingScale.Mean)],
            Exceptions = Layers(ExactApproximations.Reduce, LastQuery),
        };
        yield return expand;
        yield return reduce;
        foreach (ExactnessCase single in (ExactnessCase[])[expand, reduce])
        {
            yield return single with
            {
                Name = $"{single.Name}-batch",
                Description = "two blocks of self-attention, several examples: exact nowhere",
                Exceptions = Layers(ExactApproximations.None),
                InputShape = TensorShape.Of(Examples, Sequence, Width),
            };
        }
    }

    /// <summary>A case with N = 4, R = 2 as in the thesis's figures, exact in its own setting.</summary>
    private static ExactnessCase Shared(
        string name, ExactnessSetting setting, IReadOnlyList<ExactnessStage> stages, ExactnessLoss loss, int width = Width) => new(stages, loss)
        {
            Name = name,
            Description = "",
            Setting = setting,
            Exact = setting == ExactnessSetting.Expand ? ExactApproximations.Expand : ExactApproximations.Reduce,
            InputShape = TensorShape.Of(Examples, Sharing, width),
        };

    private static ExactnessCase Perceptron(string name, ActivationKind kind, ExactnessLoss loss, int examples, bool bias = true)
    {
        ExactnessStage[] stages =
        [
            new LinearStage("layer1", 6, 7, bias), new ActivationStage(kind),
            new LinearStage("layer2", 7, 5, bias), new ActivationStage(kind),
            new LinearStage("layer3", 5, 4, bias),
        ];
        return new ExactnessCase(stages, loss)
        {
            Name = name,
            Description = "one example without sharing: regular K-FAC is exact for any network",
            Setting = ExactnessSetting.NoSharing,
            Exact = ExactApproximations.Both,
            InputShape = TensorShape.Of(examples, 6),
        };
    }

    private static ExactnessStage[] LinearLayers(bool bias) =>
        [.. Enumerable.Range(1, Depth).Select(i => new LinearStage($"layer{i}", Width, Width, bias))];

    private static ExactnessStage[] AggregatedInside()
    {
        ExactnessStage[] layers = LinearLayers(bias: true);
        return [.. layers[..3], new AggregationStage(SharingScale.Mean), .. layers[3..]];
    }

    private static Dictionary<string, ExactApproximations> Layers(ExactApproximations exact, params string[] names) =>
        names.ToDictionary(static name => name, _ => exact);
}
