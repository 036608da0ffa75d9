namespace KFac.Kernels.Cuda;

/// <summary>What the CUDA device offers: one line a kernel.</summary>
internal static class CudaKernels
{
    public static KernelTable Create(CudaStream stream) => new()
    {
        Elementwise = new CudaElementwise(stream),
        Gemm = new CudaGemm(stream),
        Gram = new CudaGram(stream),
        ConvolutionGram = new CudaConvolutionGram(stream),
    };
}
