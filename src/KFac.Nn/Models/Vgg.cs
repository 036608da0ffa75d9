using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Settings of a VGG network (Simonyan and Zisserman 2015) for small images.</summary>
public sealed record VggOptions
{
    /// <summary>Size of an image.</summary>
    public required ImageSize Image { get; init; }

    /// <summary>By stage, the channels of its 3×3 convolutions; a 2×2 maximum ends each stage. Default: VGG-11.</summary>
    public IReadOnlyList<IReadOnlyList<int>> Stages { get; init; } = [[64], [128], [256, 256], [512, 512], [512, 512]];

    /// <summary>Widths of linear layers between the convolutions and the output.</summary>
    public IReadOnlyList<int> HiddenWidths { get; init; } = [];

    /// <summary>Whether every convolution is followed by batch normalisation, and has no bias then.</summary>
    public bool BatchNormalization { get; init; }

    /// <summary>Examples that are normalised together; null for all of the batch.</summary>
    public int? GhostBatch { get; init; }

    /// <summary>Whether output channels of the convolutions have lengths of their own.</summary>
    public WeightNormalization WeightNormalization { get; init; }

    /// <summary>Number of classes.</summary>
    public required int Classes { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        ArgumentNullException.ThrowIfNull(Stages);
        ArgumentNullException.ThrowIfNull(HiddenWidths);
        Image.Validate();
        LayerWidths.Validate([.. Stages.SelectMany(static stage => stage), .. HiddenWidths, Classes]);
        if (Math.Min(Image.Height, Image.Width) >> Stages.Count < 1)
        {
            throw new ArgumentException(
                $"Images of {Image.Height}×{Image.Width} are halved {Stages.Count} times; wanted at least {1 << Stages.Count} rows and columns.");
        }
    }
}

/// <summary>Builds stages of <c>conv 3×3 (→ norm) → ReLU</c>, each ended by a maximum, then linear layers; layers are named <c>conv1</c>, …,
/// <c>norm1</c>, …, <c>hidden1</c>, …, <c>output</c>.</summary>
public static class Vgg
{
    /// <summary>Builds the modules.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static Module Build(VggOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        (int height, int width, int channels) = options.Image;
        var modules = new List<Module>();
        int count = 0;
        foreach (IReadOnlyList<int> stage in options.Stages)
        {
            foreach (int outputs in stage)
            {
                AddConvolution(modules, options, ++count, channels, outputs);
                channels = outputs;
            }

            modules.Add(new MaxPooling(2));
            (height, width) = (height / 2, width / 2);
        }

        AddClassifier(modules, options, new ImageSize(height, width, channels));
        return new Sequential([.. modules]);
    }

    private static void AddConvolution(List<Module> modules, VggOptions options, int number, int inputs, int outputs)
    {
        modules.Add(new Conv2d(
            $"conv{number}",
            new Conv2dOptions
            {
                InputChannels = inputs,
                OutputChannels = outputs,
                Padding = 1,
                Bias = !options.BatchNormalization,
                Normalization = options.WeightNormalization,
            }));
        if (options.BatchNormalization)
        {
            modules.Add(new BatchNormalization($"norm{number}", outputs, options.GhostBatch));
        }

        modules.Add(new ActivationLayer(ActivationKind.Relu));
    }

    private static void AddClassifier(List<Module> modules, VggOptions options, ImageSize image)
    {
        int features = image.Height * image.Width * image.Channels;
        ImageSize? flattened = image;
        modules.Add(new Reshape(features));
        for (int i = 0; i < options.HiddenWidths.Count; i++)
        {
            modules.Add(new Linear($"hidden{i + 1}", features, options.HiddenWidths[i]) { FlattenedImage = flattened });
            modules.Add(new ActivationLayer(ActivationKind.Relu));
            (features, flattened) = (options.HiddenWidths[i], null);
        }

        modules.Add(new Linear("output", features, options.Classes) { FlattenedImage = flattened });
    }
}
