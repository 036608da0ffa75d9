namespace KFac.Nn;

/// <summary>A multi-layer perceptron or a deep autoencoder on images.</summary>
public sealed record PerceptronWorkload : ImageWorkload
{
    /// <summary>784-1000-1000-1000-10 with ReLU and without biases, on digits.</summary>
    public static PerceptronWorkload MnistMlp { get; } = new()
    {
        Name = "mnist-mlp",
        HiddenWidths = [1000, 1000, 1000],
        BatchSize = 100,
        Epochs = 10,
    };

    /// <summary>The deep autoencoder 784-1000-500-250-30-250-500-1000-784 with tanh, a linear code and biases.</summary>
    public static PerceptronWorkload MnistAutoencoder { get; } = new()
    {
        Name = "mnist-autoencoder",
        Task = ImageTask.Reconstruction,
        HiddenWidths = [1000, 500, 250, 30],
        BatchSize = 1000,
        Epochs = 50,
    };

    /// <summary>Widths of the hidden layers; of an autoencoder those of the encoder, the code last.</summary>
    public required IReadOnlyList<int> HiddenWidths { get; init; }

    /// <inheritdoc/>
    public override bool SharesWeights => false;

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        if (HiddenWidths.Count == 0 || HiddenWidths.Any(static width => width < 1))
        {
            throw new ArgumentException($"Hidden widths are [{string.Join(", ", HiddenWidths)}]; wanted at least one, each at least 1.");
        }
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Describe() => [.. base.Describe(), $"hidden widths={string.Join('-', HiddenWidths)}"];

    /// <inheritdoc/>
    public override Module BuildModel(ImageData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        int pixels = data.Train.PixelCount;
        return Task == ImageTask.Reconstruction
            ? Autoencoder.Build(new AutoencoderOptions { EncoderWidths = [pixels, .. HiddenWidths] })
            : MultiLayerPerceptron.Build(new MultiLayerPerceptronOptions
            {
                InputWidth = pixels,
                HiddenWidths = HiddenWidths,
                OutputWidth = data.Classes,
                Bias = false,
            });
    }

    /// <inheritdoc/>
    /// <remarks>Found by <c>kfac train WORKLOAD --grid</c> and wider searches like it.</remarks>
    public override OptimizerSettings DefaultOptimizer(OptimizerKind kind)
    {
        bool classify = Task == ImageTask.Classification;
        OptimizerSettings usual = base.DefaultOptimizer(kind);
        return kind switch
        {
            OptimizerKind.Kfac when classify => usual with { KlClip = null },
            OptimizerKind.Kfac => usual with { LearningRate = 0.03, Momentum = 0.9, Damping = 0.3, InverseInterval = 10, KlClip = 0.01 },
            OptimizerKind.Foof => usual with { LearningRate = classify ? 0.01 : 1e-3, Damping = 0.1 },
            OptimizerKind.Sgd or OptimizerKind.Nesterov => usual with { LearningRate = classify ? 0.1 : 0.01 },
            _ => usual,
        };
    }
}
