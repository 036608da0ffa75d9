namespace KFac.Kernels.Cuda;

/// <summary>A batch of images of all groups in device memory.</summary>
/// <param name="Stride">Elements from an image to the next.</param>
/// <param name="PixelStride">Elements from a pixel to the next with channels last; 0 with channels first.</param>
/// <param name="Extent">Elements from the first of an image to behind its last.</param>
internal readonly record struct CudaImages(nint Address, long Stride, long PixelStride, int Extent, int Count)
{
    public unsafe CudaImages(in ConvolutionGramArguments arguments)
        : this((nint)arguments.X.Pointer, arguments.X.RowStride, 0, arguments.Shape.ImageElements, arguments.Images)
    {
        if (arguments.Layout == ConvolutionLayout.ChannelsLast)
        {
            PixelStride = arguments.X.RowStride;
            Stride = arguments.Shape.Pixels * PixelStride;
            Extent = checked((int)(((arguments.Shape.Pixels - 1) * PixelStride) + arguments.Shape.Channels));
        }
    }

    public bool ChannelsLast => PixelStride > 0;

    public CudaImages Range(int first, int count) => this with { Address = Address + (nint)(first * Stride * sizeof(float)), Count = count };
}
