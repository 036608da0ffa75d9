namespace KFac.Nn;

/// <summary>What a network does with an image.</summary>
public enum ImageTask
{
    /// <summary>Names its class; softmax cross-entropy.</summary>
    Classification,

    /// <summary>Reconstructs its pixels from a small code; Bernoulli cross-entropy, pixels as probabilities.</summary>
    Reconstruction,
}

/// <summary>How a network wants an image.</summary>
public enum ImageLayout
{
    /// <summary>One row of all values, plane by plane: a batch is [M, C·H·W].</summary>
    Flat,

    /// <summary>Pixels with their channels: a batch is [M, H, W, C].</summary>
    Pixels,
}

/// <summary>Which images a workload is about.</summary>
public enum ImageSource
{
    /// <summary>Grey digits, 28×28: MNIST's files, or made glyphs or curves.</summary>
    Mnist,

    /// <summary>Colour photographs, 32×32: CIFAR-10's files, or made colour glyphs.</summary>
    Cifar10,
}

/// <summary>A workload on images.</summary>
public abstract record ImageWorkload : Workload
{
    private const int MadeCount = 10_000;

    /// <summary>What the network does.</summary>
    public ImageTask Task { get; init; } = ImageTask.Classification;

    /// <summary>How the network wants images.</summary>
    public ImageLayout Layout { get; init; } = ImageLayout.Flat;

    /// <summary>Which images.</summary>
    public ImageSource Source { get; init; }

    /// <summary>Random changes of training images; null for none.</summary>
    public ImageAugmentation? Augmentation { get; init; }

    /// <inheritdoc/>
    public override string Example => "image";

    /// <inheritdoc/>
    public override IReadOnlyList<MetricDefinition> Metrics => Task == ImageTask.Classification
        ? [MetricDefinition.Loss, MetricDefinition.Accuracy]
        : [MetricDefinition.Loss, MetricDefinition.SquaredError];

    /// <summary>Builds the model for images like these.</summary>
    public abstract Module BuildModel(ImageData data);

    /// <summary>The loss on the model's outputs.</summary>
    public virtual Loss CreateLoss() => Task == ImageTask.Classification ? new CrossEntropyLoss() : new BernoulliLoss();

    /// <inheritdoc/>
    public override TrainingProblem Load(string? directory, ulong seed) => new ImageProblem(this, LoadImages(directory, seed));

    /// <inheritdoc/>
    public override void Validate()
    {
        base.Validate();
        Augmentation?.Validate();
    }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Describe() => [.. base.Describe(), $"augmentation={Augmentation}"];

    /// <summary>Reads a directory of files, see <see cref="MnistDirectory"/> and <see cref="CifarDirectory"/>, or makes <c>8,000 + 2,000</c> images
    /// like them.</summary>
    protected virtual ImageData LoadImages(string? directory, ulong seed)
    {
        if (Source == ImageSource.Cifar10)
        {
            return directory is null
                ? ImageData.Split("made colour glyphs", GlyphImages.Classes, ColourGlyphImages.Make(MadeCount, seed), ImageData.SmallTrainCount)
                : CifarDirectory.Load(directory);
        }

        if (directory is not null)
        {
            return MnistDirectory.Load(directory);
        }

        return Task == ImageTask.Classification
            ? ImageData.Split("made glyphs", GlyphImages.Classes, GlyphImages.Make(MadeCount, seed), ImageData.SmallTrainCount)
            : ImageData.Split("made curves", 1, CurveImages.Make(MadeCount, seed), ImageData.SmallTrainCount);
    }
}
