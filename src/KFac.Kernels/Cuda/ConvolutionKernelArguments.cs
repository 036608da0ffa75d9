using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>Elements of a kernel along one axis: from the first on, each so many further.</summary>
internal readonly record struct KernelElements(int First, int Step, int Count)
{
    /// <summary>All that the axis has taps for.</summary>
    public static KernelElements All(PatchAxis axis) => new(0, 1, axis.Taps);

    /// <summary>Those that meet pixels of one phase (pixel modulo stride) as the kernel moves.</summary>
    public static KernelElements OfPhase(int phase, int kernel, ConvolutionShape shape)
    {
        (int first, int second) = (-1, -1);
        for (int a = 0; a < kernel && second < 0; a++)
        {
            if ((phase + shape.Padding - ((long)a * shape.Dilation)) % shape.Stride == 0)
            {
                (first, second) = first < 0 ? (a, -1) : (first, a);
            }
        }

        int step = second < 0 ? kernel : second - first;
        return first < 0 ? new KernelElements(0, 1, 0) : new KernelElements(first, step, (kernel - 1 - first) / step + 1);
    }
}

/// <summary>Mirrors <c>PatchAxis</c> of convolution_kernel.cuh: tap t at position p meets pixel <c>p·Step + Base + t·Slope</c>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct PatchAxis(int Positions, int Step, int Base, int Slope, int Taps, int Size)
{
    /// <summary>Positions are outputs, pixels those of the image.</summary>
    public static PatchAxis Forward(int size, int outputs, int kernel, ConvolutionShape shape) =>
        new(outputs, shape.Stride, -shape.Padding, shape.Dilation, kernel, size);

    /// <summary>Positions are pixels of one phase, their "pixels" the outputs that see them.</summary>
    public static PatchAxis Adjoint(int size, int outputs, int phase, KernelElements elements, ConvolutionShape shape)
    {
        int positions = ((size - 1 - phase) / shape.Stride) + 1;
        long first = phase + shape.Padding - ((long)elements.First * shape.Dilation);
        long slope = -(long)elements.Step * shape.Dilation / shape.Stride;
        return new(positions, 1, elements.Count == 0 ? 0 : (int)(first / shape.Stride), elements.Count < 2 ? 0 : (int)slope, elements.Count, outputs);
    }
}

/// <summary>Where positions lie in the result: position (i, j) is pixel <c>(Row + Step·i, Column + Step·j)</c> of an image.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct ConvolutionTarget(int Height, int Width, int Step, int Row, int Column);

/// <summary>Mirrors <c>ConvolutionKernelArguments</c> of convolution_kernel.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct ConvolutionKernelArguments(
    MatrixView<float> x, PatchAxis down, PatchAxis across, int images, int channels, int columns)
{
    public readonly nint X = (nint)x.Pointer;

    public nint Weights { get; init; }

    public nint Bias { get; init; }

    public nint Gradient { get; init; }

    public nint Y { get; init; }

    public nint ColumnSums { get; init; }

    public readonly long XStride = x.RowStride;

    public long YStride { get; init; }

    public long GradientStride { get; init; }

    public long BiasStride { get; init; }

    public readonly PatchAxis Down = down;
    public readonly PatchAxis Across = across;
    public readonly int Images = images;
    public readonly int Channels = channels;
    public readonly int PaddedChannels = LaunchShape.Cover(channels, 4) * 4;
    public readonly int Columns = columns;

    public ConvolutionTarget Target { get; init; }

    public int PartDepth { get; init; }

    public int Aligned { get; init; }

    public float Beta { get; init; }
}

/// <summary>Mirrors <c>ConvolutionWeightArguments</c> of convolution.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct ConvolutionWeightArguments(
    in ConvolutionArguments arguments, nint permuted, bool isAdjoint, int lines, int channels, KernelElements rows, KernelElements columns)
{
    public readonly nint Weights = (nint)arguments.Weights.Pointer;
    public readonly nint Permuted = permuted;
    public readonly long LineStride = isAdjoint ? arguments.Shape.KernelHeight * arguments.Shape.KernelWidth : arguments.Weights.RowStride;
    public readonly long ChannelStride = isAdjoint ? arguments.Weights.RowStride : arguments.Shape.KernelHeight * arguments.Shape.KernelWidth;
    public readonly int Lines = lines;
    public readonly int Channels = channels;
    public readonly int PaddedChannels = LaunchShape.Cover(channels, 4) * 4;
    public readonly int KernelWidth = arguments.Shape.KernelWidth;
    public readonly KernelElements Rows = rows;
    public readonly KernelElements Columns = columns;
}

/// <summary>Mirrors <c>ConvolutionFinishArguments</c> of convolution.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct ConvolutionFinishArguments(
    in ConvolutionArguments arguments, nint parts, nint columnSums, int ranges, int paddedChannels)
{
    public readonly nint Parts = parts;
    public readonly nint ColumnSums = columnSums;
    public readonly nint Gradient = (nint)arguments.Weights.Pointer;
    public readonly long GradientStride = arguments.Weights.RowStride;
    public readonly int Ranges = ranges;
    public readonly int Outputs = arguments.Weights.Rows;
    public readonly int Taps = arguments.Shape.KernelHeight * arguments.Shape.KernelWidth;
    public readonly int Channels = arguments.Shape.Channels;
    public readonly int PaddedChannels = paddedChannels;
    public readonly float Beta = arguments.Beta;
}
