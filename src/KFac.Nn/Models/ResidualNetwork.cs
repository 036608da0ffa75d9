using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Builds <c>stem → blocks of two 3×3 convolutions → global mean → linear</c>.</summary>
/// <remarks>Layers are named <c>stem</c>, <c>stage1.block1.conv1</c>, <c>.conv2</c>, <c>.shortcut</c> (1×1, where shapes differ), <c>.norm1</c>, <c>.norm2</c>, …,
/// <c>output</c>; Fixup's scalars <c>.bias1a</c> and so on. Convolutions have no biases.</remarks>
public static class ResidualNetwork
{
    /// <summary>Builds the modules.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static Module Build(ResidualNetworkOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var modules = new List<Module> { Convolution(options, "stem", options.Image.Channels, options.StemChannels, 3, 1) };
        bool isFixup = options.Normalization == ResidualNormalization.Fixup;
        if (!options.PreActivation)
        {
            AddNormalization(modules, options, "stem.norm", options.StemChannels);
            modules.Add(new ActivationLayer(ActivationKind.Relu));
        }

        int channels = options.StemChannels;
        for (int stage = 0; stage < options.Stages.Count; stage++)
        {
            (int outputs, int blocks, int stride) = options.Stages[stage];
            for (int block = 0; block < blocks; block++)
            {
                AddBlock(modules, options, $"stage{stage + 1}.block{block + 1}", channels, outputs, block == 0 ? stride : 1);
                channels = outputs;
            }
        }

        if (options.PreActivation)
        {
            AddNormalization(modules, options, "output.norm", channels);
            modules.Add(new ActivationLayer(ActivationKind.Relu));
        }

        modules.Add(new MeanOverSharing());
        modules.Add(new Linear("output", channels, options.Classes, initialization: isFixup ? WeightInitialization.Zero : WeightInitialization.He));
        return new Sequential([.. modules]);
    }

    private static void AddBlock(List<Module> modules, ResidualNetworkOptions options, string name, int inputs, int outputs, int stride)
    {
        Module? shortcut = inputs == outputs && stride == 1 ? null : Convolution(options, $"{name}.shortcut", inputs, outputs, 1, stride);
        modules.Add(options switch
        {
            { Normalization: ResidualNormalization.Fixup } => FixupBlock(options, name, inputs, outputs, stride, shortcut),
            { PreActivation: true } => PreActivationBlock(options, name, inputs, outputs, stride, shortcut),
            _ => PostActivationBlock(options, name, inputs, outputs, stride, shortcut),
        });
        if (!options.PreActivation)
        {
            modules.Add(new ActivationLayer(ActivationKind.Relu));
        }
    }

    private static ResidualBlock PreActivationBlock(
        ResidualNetworkOptions options, string name, int inputs, int outputs, int stride, Module? shortcut)
    {
        var entry = new List<Module>();
        AddNormalization(entry, options, $"{name}.norm1", inputs);
        entry.Add(new ActivationLayer(ActivationKind.Relu));
        var branch = new List<Module> { Convolution(options, $"{name}.conv1", inputs, outputs, 3, stride) };
        AddNormalization(branch, options, $"{name}.norm2", outputs);
        branch.Add(new ActivationLayer(ActivationKind.Relu));
        branch.Add(Convolution(options, $"{name}.conv2", outputs, outputs, 3, 1));
        return new ResidualBlock(new Sequential([.. entry]), new Sequential([.. branch]), shortcut, options.BranchScale);
    }

    private static ResidualBlock PostActivationBlock(
        ResidualNetworkOptions options, string name, int inputs, int outputs, int stride, Module? shortcut)
    {
        var branch = new List<Module> { Convolution(options, $"{name}.conv1", inputs, outputs, 3, stride) };
        AddNormalization(branch, options, $"{name}.norm1", outputs);
        branch.Add(new ActivationLayer(ActivationKind.Relu));
        branch.Add(Convolution(options, $"{name}.conv2", outputs, outputs, 3, 1));
        AddNormalization(branch, options, $"{name}.norm2", outputs);
        return new ResidualBlock(null, new Sequential([.. branch]), shortcut, options.BranchScale);
    }

    /// <summary>First convolutions start smaller by <c>√(number of blocks)</c>, second ones as zero (Fixup for branches of two layers).</summary>
    private static ResidualBlock FixupBlock(
        ResidualNetworkOptions options, string name, int inputs, int outputs, int stride, Module? shortcut)
    {
        int blocks = options.Stages.Sum(static stage => stage.Blocks);
        float deviation = MathF.Sqrt(2f / (9 * inputs * blocks));
        var entry = new ShiftedRelu($"{name}.bias1a", $"{name}.bias1b");
        var branch = new Sequential(
            new Conv2d($"{name}.conv1", Options(inputs, outputs, 3, stride) with { StandardDeviation = deviation }),
            new ShiftedRelu($"{name}.bias2a", $"{name}.bias2b"),
            new Conv2d($"{name}.conv2", Options(outputs, outputs, 3, 1) with { Initialization = WeightInitialization.Zero }));
        return new ResidualBlock(entry, branch, shortcut, options.BranchScale, new ScalarAffine($"{name}.scale", multiplier: true));
    }

    private static void AddNormalization(List<Module> modules, ResidualNetworkOptions options, string name, int channels)
    {
        if (options.Normalization == ResidualNormalization.Batch)
        {
            modules.Add(new BatchNormalization(name, channels, options.GhostBatch));
        }
    }

    private static Conv2d Convolution(ResidualNetworkOptions options, string name, int inputs, int outputs, int kernel, int stride) =>
        new(name, Options(inputs, outputs, kernel, stride) with { Normalization = options.WeightNormalization });

    private static Conv2dOptions Options(int inputs, int outputs, int kernel, int stride) => new()
    {
        InputChannels = inputs,
        OutputChannels = outputs,
        KernelHeight = kernel,
        KernelWidth = kernel,
        Stride = stride,
        Padding = kernel / 2,
        Bias = false,
    };
}
