namespace KFac.Nn;

/// <summary>Convolutional networks that workloads train.</summary>
public enum ConvolutionalModel
{
    /// <summary><see cref="SimpleConvolutionalNetwork"/> with its usual sizes.</summary>
    Simple,

    /// <summary>ResNet-8 with batch normalisation.</summary>
    ResNet8,

    /// <summary>ResNet-32 as in the noisy-quadratic paper: ghost batch normalisation, and convolutions whose output channels have length 1.</summary>
    ResNet32,

    /// <summary>VGG-11 with batch normalisation.</summary>
    Vgg11,

    /// <summary>WRN-16-4 with Fixup.</summary>
    WideResNet16x4,
}

/// <summary>A convolutional network that classifies images of digits or CIFAR-10's.</summary>
public sealed record ConvolutionWorkload : ImageWorkload
{
    /// <summary>A simple network on digits.</summary>
    public static ConvolutionWorkload MnistCnn { get; } = Of("mnist-cnn", ConvolutionalModel.Simple, ImageSource.Mnist, epochs: 10);

    /// <summary>ResNet-8 on digits.</summary>
    public static ConvolutionWorkload MnistResNet8 { get; } = Of("mnist-resnet8", ConvolutionalModel.ResNet8, ImageSource.Mnist, epochs: 10);

    /// <summary>WRN-16-4 with Fixup on CIFAR-10, flipped and cropped.</summary>
    public static ConvolutionWorkload CifarWideResNet { get; } = Of("cifar10-wrn16-4", ConvolutionalModel.WideResNet16x4, ImageSource.Cifar10, epochs: 50);

    /// <summary>VGG-11 on CIFAR-10, flipped and cropped.</summary>
    public static ConvolutionWorkload CifarVgg { get; } = Of("cifar10-vgg11", ConvolutionalModel.Vgg11, ImageSource.Cifar10, epochs: 50);

    /// <summary>ResNet-32 with ghost batches of 32 images on CIFAR-10, flipped and cropped.</summary>
    public static ConvolutionWorkload CifarResNet { get; } = Of("cifar10-resnet32", ConvolutionalModel.ResNet32, ImageSource.Cifar10, epochs: 50);

    /// <summary>The network.</summary>
    public required ConvolutionalModel Model { get; init; }

    /// <summary>Examples that are normalised together in ResNet-32.</summary>
    public int GhostBatch { get; init; } = 32;

    /// <inheritdoc/>
    public override IReadOnlyList<string> Describe() => [.. base.Describe(), FormattableString.Invariant($"model={Model}, ghost batch={GhostBatch}")];

    /// <inheritdoc/>
    public override Module BuildModel(ImageData data)
    {
        ArgumentNullException.ThrowIfNull(data);
        var image = new ImageSize(data.Train.Height, data.Train.Width, data.Train.Channels);
        return Model switch
        {
            ConvolutionalModel.Simple => SimpleConvolutionalNetwork.Build(
                new SimpleConvolutionalNetworkOptions { Image = image, Classes = data.Classes }),
            ConvolutionalModel.ResNet8 => ResidualNetwork.Build(ResidualNetworkOptions.ResNet(image, data.Classes, blocks: 1)),
            ConvolutionalModel.ResNet32 => ResidualNetwork.Build(ResidualNetworkOptions.ResNet(image, data.Classes, blocks: 5, GhostBatch) with
            {
                WeightNormalization = WeightNormalization.Unit,
            }),
            ConvolutionalModel.Vgg11 => Vgg.Build(new VggOptions { Image = image, Classes = data.Classes, BatchNormalization = true }),
            _ => ResidualNetwork.Build(ResidualNetworkOptions.WideResNet(image, data.Classes, blocks: 2, width: 4)),
        };
    }

    /// <inheritdoc/>
    public override OptimizerSettings DefaultOptimizer(OptimizerKind kind)
    {
        OptimizerSettings usual = base.DefaultOptimizer(kind);
        return kind switch
        {
            OptimizerKind.Kfac => usual with { LearningRate = 0.02, Damping = 0.3, InverseInterval = 10 },
            OptimizerKind.Sgd or OptimizerKind.Nesterov => usual with { LearningRate = 0.05 },
            _ => usual,
        };
    }

    private static ConvolutionWorkload Of(string name, ConvolutionalModel model, ImageSource source, int epochs) => new()
    {
        Name = name,
        Model = model,
        Source = source,
        Layout = ImageLayout.Pixels,
        Augmentation = source == ImageSource.Cifar10 ? new ImageAugmentation() : null,
        BatchSize = 128,
        Epochs = epochs,
    };
}
