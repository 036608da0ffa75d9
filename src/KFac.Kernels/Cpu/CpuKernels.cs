namespace KFac.Kernels.Cpu;

/// <summary>What the CPU device offers: one line a kernel.</summary>
internal static class CpuKernels
{
    public static KernelTable Create(CpuDevice device) => new()
    {
        Gemm = new CpuGemm(device),
        Gram = new CpuGram(device),
        SegmentReduce = new CpuSegmentReduce(device),
        Elementwise = new CpuElementwise(),
        Activation = new CpuActivation(),
        SoftmaxCrossEntropy = new CpuSoftmaxCrossEntropy(),
        BernoulliCrossEntropy = new CpuBernoulliCrossEntropy(),
        Reduction = new CpuReduction(),
        Philox = new CpuPhilox(),
        ParameterUpdate = new CpuParameterUpdate(),
        Cholesky = new CpuCholesky(device),
        DampedInverse = new CpuDampedInverse(device),
        SymmetricEigen = new CpuSymmetricEigen(device),
    };
}
