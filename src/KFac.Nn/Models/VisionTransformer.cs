namespace KFac.Nn;

/// <summary>How a vision transformer makes one row of an image's patches.</summary>
public enum PatchPooling
{
    /// <summary>The mean over the patches.</summary>
    Mean,

    /// <summary>A learned row that is put before the patches, as it comes out.</summary>
    ClassToken,
}

/// <summary>Settings of a vision transformer (Dosovitskiy et al. 2021).</summary>
public sealed record VisionTransformerOptions
{
    /// <summary>ViT-S/16 on 224×224 images of 3 channels.</summary>
    public static VisionTransformerOptions Small16 { get; } = new()
    {
        Height = 224,
        ImageWidth = 224,
        Channels = 3,
        PatchSize = 16,
        Width = 384,
        Depth = 12,
        Heads = 6,
        Classes = 1000,
        Pooling = PatchPooling.ClassToken,
    };

    /// <summary>Rows of an image; divisible by the patch size.</summary>
    public required int Height { get; init; }

    /// <summary>Columns of an image; divisible by the patch size.</summary>
    public required int ImageWidth { get; init; }

    /// <summary>C.</summary>
    public required int Channels { get; init; }

    /// <summary>p, sides of a patch.</summary>
    public required int PatchSize { get; init; }

    /// <summary>d.</summary>
    public required int Width { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Depth { get; init; }

    /// <summary>H; divides the width.</summary>
    public required int Heads { get; init; }

    /// <summary>Width of the perceptrons' hidden layers; null for 4·d.</summary>
    public int? HiddenWidth { get; init; }

    /// <summary>Number of outputs.</summary>
    public required int Classes { get; init; }

    /// <summary>What the classes are read from.</summary>
    public PatchPooling Pooling { get; init; }

    /// <summary>Share that is dropped, 0 to less than 1.</summary>
    public float Dropout { get; init; }

    /// <summary>Number of patches.</summary>
    public int Patches => Height / PatchSize * (ImageWidth / PatchSize);

    /// <summary>Throws when a value is out of range.</summary>
    /// <exception cref="ArgumentException">Names the value, what was given and what is wanted.</exception>
    public void Validate()
    {
        LayerWidths.Validate([Height, ImageWidth, Channels, PatchSize, Width, Depth, Heads, HiddenWidth ?? 1, Classes]);
        if (Height % PatchSize != 0 || ImageWidth % PatchSize != 0)
        {
            throw new ArgumentException($"Images are {Height}×{ImageWidth} and patches {PatchSize}×{PatchSize}; wanted sides that patches divide.");
        }

        if (!Enum.IsDefined(Pooling))
        {
            throw new ArgumentException($"The pooling is {(int)Pooling}; wanted one of {string.Join(", ", Enum.GetNames<PatchPooling>())}.");
        }
    }
}

/// <summary>Builds a vision transformer: patches [M, H, W, C] → linear → positions → pre-norm blocks → norm → pooling → linear.</summary>
public static class VisionTransformer
{
    /// <summary>Builds the modules; layers are named <c>patches</c>, <c>block1.attention.query</c>, …, <c>head</c>.</summary>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    public static Module Build(VisionTransformerOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        int width = options.Width;
        bool hasToken = options.Pooling == PatchPooling.ClassToken;
        var modules = new List<Module>
        {
            new ImagePatches(options.PatchSize),
            new Linear("patches", options.Channels * options.PatchSize * options.PatchSize, width, bias: true, WeightInitialization.Glorot),
        };
        if (hasToken)
        {
            modules.Add(new ClassToken("token", width));
        }

        modules.Add(new LearnedPositions("positions", options.Patches + (hasToken ? 1 : 0), width));
        modules.Add(new DropoutLayer(options.Dropout));
        for (int i = 1; i <= options.Depth; i++)
        {
            modules.Add(TransformerBlock.Build($"block{i}", new TransformerBlockOptions
            {
                Width = width,
                Heads = options.Heads,
                HiddenWidth = options.HiddenWidth ?? (4 * width),
                Dropout = options.Dropout,
            }));
        }

        modules.Add(new LayerNormalization("norm", width));
        modules.Add(hasToken ? new SelectPosition(0) : new MeanOverSharing());
        modules.Add(new Linear("head", width, options.Classes, bias: true, WeightInitialization.Glorot));
        return new Sequential([.. modules]);
    }
}
