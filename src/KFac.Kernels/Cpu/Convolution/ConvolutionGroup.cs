namespace KFac.Kernels.Cpu;

/// <summary>One group of channels of a convolution: its part of the images and its block of the result.</summary>
internal readonly unsafe struct ConvolutionGroup
{
    public ConvolutionGroup(in ConvolutionGramArguments arguments, int group)
    {
        ConvolutionShape shape = arguments.Shape;
        Images = arguments.Images;
        Channels = shape.Channels / shape.Groups;
        Width = arguments.Gram.Columns;
        Rows = new ConvolutionAxis(shape.Height, shape.KernelHeight, shape.Stride, shape.Padding, shape.Dilation, shape.OutputHeight);
        Columns = new ConvolutionAxis(shape.Width, shape.KernelWidth, shape.Stride, shape.Padding, shape.Dilation, shape.OutputWidth);
        ChannelsLast = arguments.Layout == ConvolutionLayout.ChannelsLast;
        PixelStride = ChannelsLast ? arguments.X.RowStride : 1;
        ChannelStride = ChannelsLast ? 1 : shape.Pixels;
        ImageStride = ChannelsLast ? shape.Pixels * PixelStride : arguments.X.RowStride;
        X = arguments.X.Pointer + (group * Channels * ChannelStride);
        GramStride = arguments.Gram.RowStride;
        Gram = arguments.Gram.Pointer + (group * Width * GramStride);
    }

    public int Images { get; }

    public int Channels { get; }

    /// <summary>Elements of a patch, with the appended one.</summary>
    public int Width { get; }

    /// <summary>Whether the patches are the images' pixels, each once.</summary>
    public bool PixelsArePatches => Rows is { Kernel: 1, Stride: 1, Padding: 0 } && Columns.Kernel == 1;

    public ConvolutionAxis Rows { get; }

    public ConvolutionAxis Columns { get; }

    /// <summary>Whether the channels of a pixel are adjacent; otherwise the pixels of a channel are.</summary>
    public bool ChannelsLast { get; }

    /// <summary>The first channel of the first pixel of the first image.</summary>
    public float* X { get; }

    /// <summary>Elements from an image to the next.</summary>
    public long ImageStride { get; }

    /// <summary>Elements from a pixel to the next.</summary>
    public long PixelStride { get; }

    /// <summary>Elements from a channel to the next.</summary>
    public long ChannelStride { get; }

    /// <summary>Pixels of an image.</summary>
    public int Pixels => Rows.Size * Columns.Size;


    /// <summary>[Width, Width], rows <see cref="GramStride"/> elements apart.</summary>
    public float* Gram { get; }

    public long GramStride { get; }
}
