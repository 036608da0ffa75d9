using KFac.Kernels;

namespace KFac.Nn;

/// <summary>What a workload's network does with an image.</summary>
public enum WorkloadTask
{
    /// <summary>Names its class; softmax cross-entropy.</summary>
    Classification,

    /// <summary>Reconstructs its pixels from a small code; Bernoulli cross-entropy, pixels as probabilities.</summary>
    Reconstruction,
}

/// <summary>A network and the data it is trained on.</summary>
public sealed record Workload
{
    private const ulong InitialisationSequence = 0x494E_4954;
    private const int MadeCount = 10_000;

    /// <summary>784-1000-1000-1000-10 with ReLU and without biases, on digits.</summary>
    public static Workload MnistMlp { get; } = new()
    {
        Name = "mnist-mlp",
        Task = WorkloadTask.Classification,
        HiddenWidths = [1000, 1000, 1000],
        BatchSize = 100,
        Epochs = 10,
    };

    /// <summary>The deep autoencoder 784-1000-500-250-30-250-500-1000-784 with tanh, a linear code and biases.</summary>
    public static Workload MnistAutoencoder { get; } = new()
    {
        Name = "mnist-autoencoder",
        Task = WorkloadTask.Reconstruction,
        HiddenWidths = [1000, 500, 250, 30],
        BatchSize = 1000,
        Epochs = 50,
    };

    /// <summary>All workloads.</summary>
    public static IReadOnlyList<Workload> All { get; } = [MnistMlp, MnistAutoencoder];

    /// <summary>As on the command line.</summary>
    public required string Name { get; init; }

    /// <summary>What the network does.</summary>
    public required WorkloadTask Task { get; init; }

    /// <summary>Widths of the hidden layers; of an autoencoder those of the encoder, the code last.</summary>
    public required IReadOnlyList<int> HiddenWidths { get; init; }

    /// <summary>M, examples in a mini-batch.</summary>
    public required int BatchSize { get; init; }

    /// <summary>How long to train when nothing else is asked for.</summary>
    public required int Epochs { get; init; }

    /// <summary>Names of the metrics of an evaluation, in order.</summary>
    public IReadOnlyList<string> MetricNames => Task == WorkloadTask.Classification
        ? ["trainLoss", "trainAccuracy", "validationLoss", "validationAccuracy"]
        : ["trainLoss", "trainSquaredError", "validationLoss", "validationSquaredError"];

    /// <summary>The workload of that name.</summary>
    /// <exception cref="ArgumentException">There is none; the message lists all.</exception>
    public static Workload Find(string name) => All.FirstOrDefault(workload => workload.Name == name)
        ?? throw new ArgumentException($"There is no workload '{name}'; wanted {string.Join(" or ", All.Select(static workload => workload.Name))}.");

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        if (HiddenWidths.Count == 0 || HiddenWidths.Any(static width => width < 1))
        {
            throw new ArgumentException($"Hidden widths are [{string.Join(", ", HiddenWidths)}]; wanted at least one, each at least 1.");
        }

        if (BatchSize < 1)
        {
            throw new ArgumentException($"The batch size is {BatchSize}; wanted at least 1.");
        }

        if (Epochs < 1)
        {
            throw new ArgumentException($"The number of epochs is {Epochs}; wanted at least 1.");
        }
    }

    /// <summary>Reads the data from a directory of MNIST files, or makes images when there is none.</summary>
    /// <param name="directory">See <see cref="MnistDirectory"/>; null to make <c>8,000 + 2,000</c> images.</param>
    /// <param name="seed">Of made images.</param>
    public ImageData LoadData(string? directory, ulong seed)
    {
        if (directory is not null)
        {
            return MnistDirectory.Load(directory);
        }

        return Task == WorkloadTask.Classification
            ? ImageData.Split("made glyphs", GlyphImages.Classes, GlyphImages.Make(MadeCount, seed), ImageData.SmallTrainCount)
            : ImageData.Split("made curves", 1, CurveImages.Make(MadeCount, seed), ImageData.SmallTrainCount);
    }

    /// <summary>Builds the network with its initial weights.</summary>
    public Network CreateNetwork(Device device, ImageData data, ulong seed)
    {
        ArgumentNullException.ThrowIfNull(data);
        var key = new PhiloxKey(seed, InitialisationSequence);
        int pixels = data.Train.PixelCount;
        return Task == WorkloadTask.Classification
            ? new Network(device, Perceptron(pixels, data.Classes), new CrossEntropyLoss(), key)
            : new Network(device, Autoencoder.Build(new AutoencoderOptions { EncoderWidths = [pixels, .. HiddenWidths] }), new BernoulliLoss(), key);
    }

    private Module Perceptron(int inputs, int outputs) => MultiLayerPerceptron.Build(new MultiLayerPerceptronOptions
    {
        InputWidth = inputs,
        HiddenWidths = HiddenWidths,
        OutputWidth = outputs,
        Activation = ActivationKind.Relu,
        Bias = false,
    });
}
