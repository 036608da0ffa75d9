namespace KFac.Nn;

/// <summary>A vision transformer on images.</summary>
public sealed record VisionTransformerWorkload : ImageWorkload
{
    /// <summary>Width 64, 4 blocks, 4 heads on 16 patches of 7×7, on digits.</summary>
    public static VisionTransformerWorkload Mnist { get; } = new()
    {
        Name = "mnist-vit",
        Layout = ImageLayout.Pixels,
        PatchSize = 7,
        Width = 64,
        Depth = 4,
        Heads = 4,
        BatchSize = 100,
        Epochs = 10,
    };

    /// <summary>Width 192, 6 blocks, 3 heads on 64 patches of 4×4, on small colour photographs.</summary>
    public static VisionTransformerWorkload Cifar10 { get; } = new()
    {
        Name = "cifar10-vit",
        Layout = ImageLayout.Pixels,
        Source = ImageSource.Cifar10,
        Augmentation = new ImageAugmentation(),
        PatchSize = 4,
        Width = 192,
        Depth = 6,
        Heads = 3,
        BatchSize = 64,
        Epochs = 30,
    };

    /// <summary>Sides of a patch; divides the sides of the images.</summary>
    public required int PatchSize { get; init; }

    /// <summary>d.</summary>
    public required int Width { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Depth { get; init; }

    /// <summary>H; divides the width.</summary>
    public required int Heads { get; init; }

    /// <inheritdoc/>
    public override IReadOnlyList<string> Describe() => [.. base.Describe(), $"patch={PatchSize}", $"width={Width}", $"depth={Depth}", $"heads={Heads}"];

    /// <inheritdoc/>
    public override Module BuildModel(ImageData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        return VisionTransformer.Build(new VisionTransformerOptions
        {
            Height = data.Train.Height,
            ImageWidth = data.Train.Width,
            Channels = data.Train.Channels,
            PatchSize = PatchSize,
            Width = Width,
            Depth = Depth,
            Heads = Heads,
            Classes = data.Classes,
        });
    }

    /// <inheritdoc/>
    public override OptimizerSettings DefaultOptimizer(OptimizerKind kind)
    {
        OptimizerSettings usual = base.DefaultOptimizer(kind);
        return kind == OptimizerKind.Kfac ? usual with { LearningRate = 0.05, Momentum = 0.9, Damping = 0.1, KlClip = 0.01 } : usual;
    }
}
