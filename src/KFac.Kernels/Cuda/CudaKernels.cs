namespace KFac.Kernels.Cuda;

/// <summary>What the CUDA device offers: one line a kernel.</summary>
internal static class CudaKernels
{
    public static KernelTable Create(CudaStream stream) => new()
    {
        LimitProbe = new CudaLimitProbe(stream),
        Gemm = new CudaGemm(stream),
        Gram = new CudaGram(stream),
        DiagonalGram = new CudaDiagonalGram(stream),
        ConvolutionGram = new CudaConvolutionGram(stream),
        Elementwise = new CudaElementwise(stream),
        Activation = new CudaActivation(stream),
        Philox = new CudaPhilox(stream),
        ParameterUpdate = new CudaParameterUpdate(stream),
        Clipping = new CudaClipping(stream),
        Reduction = new CudaReduction(stream),
        SegmentReduce = new CudaSegmentReduce(stream),
        SoftmaxCrossEntropy = new CudaSoftmaxCrossEntropy(stream),
        BernoulliCrossEntropy = new CudaBernoulliCrossEntropy(stream),
        LayerNorm = new CudaLayerNorm(stream),
        WeightNorm = new CudaWeightNorm(stream),
        SparseProduct = new CudaSparseProduct(stream),
        Attention = new CudaAttention(stream),
        RowGather = new CudaRowGather(stream),
        Dropout = new CudaDropout(stream),
        Permute = new CudaPermute(stream),
        SparseMaximum = new CudaSparseMaximum(stream),
        Convolution = new CudaConvolution(stream),
        BatchNorm = new CudaBatchNorm(stream),
        Fixup = new CudaFixup(stream),
        Pooling = new CudaPooling(stream),
        Cholesky = new CudaCholesky(stream),
        CholeskySolve = new CudaCholeskySolve(stream),
        DampedInverse = new CudaDampedInverse(stream),
        DualInverse = new CudaDualInverse(stream),
        SymmetricEigen = new CudaSymmetricEigen(stream),
    };
}
