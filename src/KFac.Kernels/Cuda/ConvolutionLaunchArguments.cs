using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>Mirrors <c>ConvolutionPackArguments</c> of convolution_gram.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct ConvolutionPackArguments(
    nint X, nint Pixels, long XStride, int Images, int Groups, int Channels, int Size, int Stride);

/// <summary>Mirrors <c>ConvolutionCopyArguments</c> of convolution_gram.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct ConvolutionCopyArguments(
    nint X, nint Pixels, long XStride, long PixelStride, int Images, int Groups, int Channels, int Size, int Stride);

/// <summary>Mirrors <c>ConvolutionCorrelateArguments</c> of convolution_correlate.cuh.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct ConvolutionCorrelateArguments(
    ConvolutionShape shape, ConvolutionTables tables, nint pixels, int images, nint parts, long partsSize, int stride)
{
    public readonly nint Pixels = pixels;
    public readonly nint Pieces = tables.PiecesAddress;
    public readonly nint Items = tables.ItemsAddress;
    public readonly nint Parts = parts;
    public readonly long GroupPixels = (long)images * shape.Height * shape.Width * stride;
    public readonly long GroupParts = partsSize;
    public readonly int Channels = shape.Channels / shape.Groups;
    public readonly int Stride = stride;
    public readonly int Height = shape.Height;
    public readonly int Width = shape.Width;
    public readonly int Step = shape.Stride;
}

/// <summary>Mirrors <c>ConvolutionSumArguments</c> of convolution_gram.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct ConvolutionSumArguments(
    ConvolutionTables tables, nint parts, long partsSize, ConvolutionSums sums, int channels, bool accumulate)
{
    public readonly nint Parts = parts;
    public readonly nint Pieces = tables.PiecesAddress;
    public readonly nint Sums = sums.Sums;
    public readonly nint Transposed = sums.Transposed;
    public readonly long GroupParts = partsSize;
    public readonly long GroupSums = sums.GroupSize;
    public readonly int Channels = channels;
    public readonly int Stride = sums.Stride;
    public readonly int Accumulate = accumulate ? 1 : 0;
}

/// <summary>Mirrors <c>ConvolutionAssembleArguments</c> of convolution_gram.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly unsafe struct ConvolutionAssembleArguments(
    in ConvolutionGramArguments arguments, ConvolutionTables tables, ConvolutionSums sums, nint pixelSums)
{
    public readonly nint Sums = sums.Sums;
    public readonly nint Transposed = sums.Transposed;
    public readonly nint PairStarts = tables.PairStartsAddress;
    public readonly nint PairPieces = tables.PairPiecesAddress;
    public readonly nint PixelSums = pixelSums;
    public readonly nint Gram = (nint)arguments.Gram.Pointer;
    public readonly long GroupSums = sums.GroupSize;
    public readonly long GramStride = arguments.Gram.RowStride;
    public readonly int Channels = arguments.Shape.Channels / arguments.Shape.Groups;
    public readonly int Stride = sums.Stride;
    public readonly int Elements = arguments.Shape.KernelHeight * arguments.Shape.KernelWidth;
    public readonly int Width = arguments.Gram.Columns;
    public readonly float Ones = (float)((long)arguments.Images * arguments.Shape.Positions);
    public readonly float Alpha = arguments.Alpha;
    public readonly float Beta = arguments.Beta;
}

/// <summary>Mirrors <c>ConvolutionWindowsArguments</c> of convolution_windows.cu.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct ConvolutionWindowsArguments
{
    public nint X;
    public nint Y;
    public long XStride;
    public long YStride;
    public long PixelStride;
    public int Images;
    public int Groups;
    public int Channels;
    public int GroupStride;
    public int Height;
    public int Width;
    public int KernelHeight;
    public int KernelWidth;
    public int OutputHeight;
    public int OutputWidth;
    public int Step;
    public int Padding;
    public int Dilation;
    public int AppendOnes;
    public float Factor;
    public float Ones;

    /// <param name="images">M, and where their elements lie.</param>
    public ConvolutionWindowsArguments(ConvolutionShape shape, CudaImages images, nint y, long yStride, int groupStride)
    {
        (X, XStride, PixelStride, Images) = (images.Address, images.Stride, images.PixelStride, images.Count);
        (Y, YStride, GroupStride) = (y, yStride, groupStride);
        (Groups, Channels) = (shape.Groups, shape.Channels / shape.Groups);
        (Height, Width, KernelHeight, KernelWidth) = (shape.Height, shape.Width, shape.KernelHeight, shape.KernelWidth);
        (OutputHeight, OutputWidth) = (shape.OutputHeight, shape.OutputWidth);
        (Step, Padding, Dilation) = (shape.Stride, shape.Padding, shape.Dilation);
        (AppendOnes, Factor, Ones) = (0, 0, 0);
    }
}
