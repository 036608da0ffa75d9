using KFac.Kernels;

namespace KFac.Nn;

/// <summary>Settings of a deep autoencoder; the defaults are the one of Hinton and Salakhutdinov (2006) for digits.</summary>
public sealed record AutoencoderOptions
{
    /// <summary>Widths from the input to the code; the decoder mirrors them.</summary>
    public IReadOnlyList<int> EncoderWidths { get; init; } = [784, 1000, 500, 250, 30];

    /// <summary>Non-linearity of all hidden layers but the code, which is linear.</summary>
    public ActivationKind Activation { get; init; } = ActivationKind.Tanh;

    /// <summary>How weights start.</summary>
    public WeightInitialization Initialization { get; init; } = WeightInitialization.Glorot;

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate() => LayerWidths.Validate(EncoderWidths);
}

/// <summary>Builds a symmetric autoencoder with a linear code and linear outputs (logits of <see cref="BernoulliLoss"/>).</summary>
public static class Autoencoder
{
    /// <summary>Builds the modules; layers are named <c>encoder1</c>, …, <c>decoder1</c>, …</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static Module Build(AutoencoderOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        int[] encoder = [.. options.EncoderWidths];
        int[] decoder = [.. options.EncoderWidths.Reverse()];
        return new Sequential([.. Half("encoder", encoder, options), .. Half("decoder", decoder, options)]);
    }

    private static List<Module> Half(string name, int[] widths, AutoencoderOptions options)
    {
        var modules = new List<Module>(2 * widths.Length);
        for (int i = 1; i < widths.Length; i++)
        {
            modules.Add(new Linear($"{name}{i}", widths[i - 1], widths[i], bias: true, options.Initialization));
            if (i < widths.Length - 1)
            {
                modules.Add(new ActivationLayer(options.Activation));
            }
        }

        return modules;
    }
}
