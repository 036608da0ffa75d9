namespace KFac.Nn;

/// <summary>What keeps activations of a residual network at scale.</summary>
public enum ResidualNormalization
{
    /// <summary>Nothing but the scale of the branches.</summary>
    None,

    /// <summary>Batch normalisation, over ghost batches where they are set.</summary>
    Batch,

    /// <summary>Fixup (Zhang et al. 2019): branches that start as nothing, scalar biases and a multiplier a branch.</summary>
    Fixup,
}

/// <summary>A stage of a residual network: blocks at one resolution.</summary>
/// <param name="Channels">Channels of its blocks.</param>
/// <param name="Blocks">Number of blocks of two 3×3 convolutions.</param>
/// <param name="Stride">Stride of the first block.</param>
public sealed record ResidualStage(int Channels, int Blocks, int Stride);

/// <summary>Settings of a residual network of two-convolution blocks.</summary>
public sealed record ResidualNetworkOptions
{
    /// <summary>Size of an image.</summary>
    public required ImageSize Image { get; init; }

    /// <summary>Channels of the first convolution.</summary>
    public int StemChannels { get; init; } = 16;

    /// <summary>The stages in order.</summary>
    public required IReadOnlyList<ResidualStage> Stages { get; init; }

    /// <summary>Whether activation and normalisation come before convolutions, as in wide residual networks, instead of behind.</summary>
    public bool PreActivation { get; init; }

    /// <summary>What keeps activations at scale.</summary>
    public ResidualNormalization Normalization { get; init; } = ResidualNormalization.Batch;

    /// <summary>Examples that are normalised together; null for all of the batch.</summary>
    public int? GhostBatch { get; init; }

    /// <summary>Whether output channels of the convolutions have lengths of their own; not with Fixup, whose branches end in weights of zero.</summary>
    public WeightNormalization WeightNormalization { get; init; }

    /// <summary>What branches are multiplied by when they are added.</summary>
    public float BranchScale { get; init; } = 1f;

    /// <summary>Number of classes.</summary>
    public required int Classes { get; init; }

    /// <summary>ResNet of depth <c>6·blocks + 2</c> for small images (He et al. 2016): 16, 32 and 64 channels. 1 block a stage is ResNet-8, 5 are ResNet-32.</summary>
    public static ResidualNetworkOptions ResNet(ImageSize image, int classes, int blocks, int? ghostBatch = null) => new()
    {
        Image = image,
        Classes = classes,
        Stages = [new(16, blocks, 1), new(32, blocks, 2), new(64, blocks, 2)],
        GhostBatch = ghostBatch,
    };

    /// <summary>Wide residual network of depth <c>6·blocks + 4</c> (Zagoruyko and Komodakis 2016). 2 blocks a stage and width 4 is WRN-16-4.</summary>
    public static ResidualNetworkOptions WideResNet(
        ImageSize image, int classes, int blocks, int width, ResidualNormalization normalization = ResidualNormalization.Fixup) => new()
        {
            Image = image,
            Classes = classes,
            Stages = [new(16 * width, blocks, 1), new(32 * width, blocks, 2), new(64 * width, blocks, 2)],
            PreActivation = true,
            Normalization = normalization,
        };

    /// <summary>Wide residual network of 18 layers: four stages of two blocks as in ResNet-18, <paramref name="width"/> times as wide.</summary>
    public static ResidualNetworkOptions WideResNet18(
        ImageSize image, int classes, int width, ResidualNormalization normalization = ResidualNormalization.Batch) => new()
        {
            Image = image,
            Classes = classes,
            StemChannels = 64,
            Stages = [new(64 * width, 2, 1), new(128 * width, 2, 2), new(256 * width, 2, 2), new(512 * width, 2, 2)],
            PreActivation = true,
            Normalization = normalization,
        };

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        ArgumentNullException.ThrowIfNull(Stages);
        Image.Validate();
        if (Stages.Count == 0 || Stages.Any(static stage => stage is null || stage.Channels < 1 || stage.Blocks < 1 || stage.Stride < 1))
        {
            throw new ArgumentException($"Stages are [{string.Join(", ", Stages)}]; wanted at least one, with channels, blocks and strides of at least 1.");
        }

        LayerWidths.Validate([StemChannels, .. Stages.Select(static stage => stage.Channels), Classes]);
        if (!Enum.IsDefined(Normalization) || GhostBatch is < 1 || !float.IsFinite(BranchScale))
        {
            throw new ArgumentException(
                $"Normalization is {Normalization}, ghost batches are of {GhostBatch?.ToString() ?? "all"} examples and branches are multiplied by {BranchScale}; "
                + $"wanted one of {string.Join(", ", Enum.GetNames<ResidualNormalization>())}, at least 1, and a finite number.");
        }

        if (Normalization == ResidualNormalization.Fixup && WeightNormalization != WeightNormalization.None)
        {
            throw new ArgumentException($"Fixup's branches end in weights of zero, which cannot be normalised ({WeightNormalization}); leave one of them away.");
        }

        if (Normalization == ResidualNormalization.Fixup && !PreActivation)
        {
            throw new ArgumentException("Fixup is built for networks with activations before convolutions; set PreActivation.");
        }
    }
}
