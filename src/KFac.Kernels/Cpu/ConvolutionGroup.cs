namespace KFac.Kernels.Cpu;

/// <summary>One group of channels of a convolution: its part of the images and its block of the result.</summary>
internal readonly unsafe struct ConvolutionGroup
{
    public ConvolutionGroup(in ConvolutionGramArguments arguments, int group)
    {
        ConvolutionShape shape = arguments.Shape;
        Images = arguments.X.Rows;
        Channels = shape.Channels / shape.Groups;
        Width = arguments.Gram.Columns;
        Rows = new ConvolutionAxis(shape.Height, shape.KernelHeight, shape.Stride, shape.Padding, shape.Dilation, shape.OutputHeight);
        Columns = new ConvolutionAxis(shape.Width, shape.KernelWidth, shape.Stride, shape.Padding, shape.Dilation, shape.OutputWidth);
        ImageElements = shape.ImageElements / shape.Groups;
        X = arguments.X.Pointer + ((long)group * ImageElements);
        XStride = arguments.X.RowStride;
        GramStride = arguments.Gram.RowStride;
        Gram = arguments.Gram.Pointer + (group * Width * GramStride);
    }

    public int Images { get; }

    public int Channels { get; }

    /// <summary>Elements of a patch, with the appended one.</summary>
    public int Width { get; }

    public int ImageElements { get; }

    /// <summary>Whether the patches are the images' pixels, each once.</summary>
    public bool PixelsArePatches => Rows is { Kernel: 1, Stride: 1, Padding: 0 } && Columns.Kernel == 1;

    public ConvolutionAxis Rows { get; }

    public ConvolutionAxis Columns { get; }

    /// <summary>The first image; they are <see cref="XStride"/> elements apart.</summary>
    public float* X { get; }

    public long XStride { get; }

    /// <summary>[Width, Width], rows <see cref="GramStride"/> elements apart.</summary>
    public float* Gram { get; }

    public long GramStride { get; }
}
