namespace KFac.Kernels;

/// <summary>The kernels of one device; null where it has none.</summary>
internal sealed record KernelTable
{
    public IGemmKernel? Gemm { get; init; }

    public IGramKernel? Gram { get; init; }

    public IDiagonalGramKernel? DiagonalGram { get; init; }

    public IConvolutionKernel? Convolution { get; init; }

    public IConvolutionGramKernel? ConvolutionGram { get; init; }

    public IPoolingKernel? Pooling { get; init; }

    public IBatchNormKernel? BatchNorm { get; init; }

    public IFixupKernel? Fixup { get; init; }

    public IRowGatherKernel? RowGather { get; init; }

    public IPermuteKernel? Permute { get; init; }

    public ISegmentReduceKernel? SegmentReduce { get; init; }

    public ICholeskyKernel? Cholesky { get; init; }

    public ICholeskySolveKernel? CholeskySolve { get; init; }

    public IDampedInverseKernel? DampedInverse { get; init; }

    public IDualInverseKernel? DualInverse { get; init; }

    public ISymmetricEigenKernel? SymmetricEigen { get; init; }

    public IElementwiseKernel? Elementwise { get; init; }

    public IActivationKernel? Activation { get; init; }

    public ISoftmaxCrossEntropyKernel? SoftmaxCrossEntropy { get; init; }

    public IBernoulliCrossEntropyKernel? BernoulliCrossEntropy { get; init; }

    public IAttentionKernel? Attention { get; init; }

    public ILayerNormKernel? LayerNorm { get; init; }

    public IWeightNormKernel? WeightNorm { get; init; }

    public ISparseProductKernel? SparseProduct { get; init; }

    public ISparseMaximumKernel? SparseMaximum { get; init; }

    public IReductionKernel? Reduction { get; init; }

    public IPhiloxKernel? Philox { get; init; }

    public IDropoutKernel? Dropout { get; init; }

    public IParameterUpdateKernel? ParameterUpdate { get; init; }

    public IClippingKernel? Clipping { get; init; }

    public ILimitProbeKernel? LimitProbe { get; init; }
}
