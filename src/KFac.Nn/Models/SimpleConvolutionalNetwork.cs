using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Settings of a simple convolutional network.</summary>
public sealed record SimpleConvolutionalNetworkOptions
{
    /// <summary>Size of an image.</summary>
    public required ImageSize Image { get; init; }

    /// <summary>C of the 3×3 convolutions, each followed by the activation and a 2×2 maximum.</summary>
    public IReadOnlyList<int> Channels { get; init; } = [32, 64];

    /// <summary>Width of the linear layer between them and the output.</summary>
    public int HiddenWidth { get; init; } = 128;

    /// <summary>Number of classes.</summary>
    public required int Classes { get; init; }

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        ArgumentNullException.ThrowIfNull(Channels);
        Image.Validate();
        LayerWidths.Validate([.. Channels, HiddenWidth, Classes]);
        if (Math.Min(Image.Height, Image.Width) >> Channels.Count < 1)
        {
            throw new ArgumentException(
                $"Images of {Image.Height}×{Image.Width} are halved {Channels.Count} times; wanted at least {1 << Channels.Count} rows and columns.");
        }
    }
}

/// <summary>Builds <c>(conv 3×3 → ReLU → max 2×2)… → linear → ReLU → linear</c>; layers are named <c>conv1</c>, …, <c>hidden</c>, <c>output</c>.</summary>
public static class SimpleConvolutionalNetwork
{
    /// <summary>Builds the modules.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static Module Build(SimpleConvolutionalNetworkOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        (int height, int width, int channels) = options.Image;
        var modules = new List<Module>();
        for (int i = 0; i < options.Channels.Count; i++)
        {
            modules.Add(new Conv2d($"conv{i + 1}", new Conv2dOptions { InputChannels = channels, OutputChannels = options.Channels[i], Padding = 1 }));
            modules.Add(new ActivationLayer(ActivationKind.Relu));
            modules.Add(new MaxPooling(2));
            (height, width, channels) = (height / 2, width / 2, options.Channels[i]);
        }

        modules.Add(new Reshape(height * width * channels));
        modules.Add(new Linear("hidden", height * width * channels, options.HiddenWidth) { FlattenedImage = new ImageSize(height, width, channels) });
        modules.Add(new ActivationLayer(ActivationKind.Relu));
        modules.Add(new Linear("output", options.HiddenWidth, options.Classes));
        return new Sequential([.. modules]);
    }
}
