namespace KFac.Kernels.Cpu;

/// <summary>What the CPU device offers: one line a kernel.</summary>
internal static class CpuKernels
{
    public static KernelTable Create(CpuDevice device) => new()
    {
        Gemm = new CpuGemm(device),
        Gram = new CpuGram(device),
        DiagonalGram = new CpuDiagonalGram(device),
        Convolution = new CpuConvolution(device),
        ConvolutionGram = new CpuConvolutionGram(device),
        Pooling = new CpuPooling(device),
        BatchNorm = new CpuBatchNorm(device),
        Fixup = new CpuFixup(device),
        RowGather = new CpuRowGather(device),
        Permute = new CpuPermute(device),
        SegmentReduce = new CpuSegmentReduce(device),
        Elementwise = new CpuElementwise(device),
        Activation = new CpuActivation(device),
        SoftmaxCrossEntropy = new CpuSoftmaxCrossEntropy(device),
        BernoulliCrossEntropy = new CpuBernoulliCrossEntropy(device),
        Attention = new CpuAttention(device),
        LayerNorm = new CpuLayerNorm(device),
        WeightNorm = new CpuWeightNorm(device),
        SparseProduct = new CpuSparseProduct(device),
        SparseMaximum = new CpuSparseMaximum(device),
        Reduction = new CpuReduction(device),
        Philox = new CpuPhilox(device),
        Dropout = new CpuDropout(device),
        ParameterUpdate = new CpuParameterUpdate(device),
        Clipping = new CpuClipping(new CpuElementwise(device)),
        Cholesky = new CpuCholesky(device),
        CholeskySolve = new CpuCholeskySolve(device),
        DampedInverse = new CpuDampedInverse(device),
        DualInverse = new CpuDualInverse(device),
        SymmetricEigen = new CpuSymmetricEigen(device),
        LimitProbe = new CpuLimitProbe(device),
    };
}
