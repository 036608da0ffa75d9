namespace KFac.Kernels.Planning;

/// <summary>The operations of forward and backward passes, doing nothing: one empty method for each signature that a kernel has.</summary>
internal sealed class PlanningKernels :
    IGemmKernel,
    IConvolutionKernel,
    IPoolingKernel,
    IBatchNormKernel,
    IFixupKernel,
    IRowGatherKernel,
    IPermuteKernel,
    ISegmentReduceKernel,
    IElementwiseKernel,
    IActivationKernel,
    ISoftmaxCrossEntropyKernel,
    IBernoulliCrossEntropyKernel,
    IAttentionKernel,
    ILayerNormKernel,
    IWeightNormKernel,
    ISparseProductKernel,
    ISparseMaximumKernel,
    IReductionKernel,
    IPhiloxKernel,
    IDropoutKernel
{
    /// <summary>What the planning device offers: one line a kernel.</summary>
    public static KernelTable Create()
    {
        var nothing = new PlanningKernels();
        return new KernelTable
        {
            Gemm = nothing,
            Convolution = nothing,
            Pooling = nothing,
            BatchNorm = nothing,
            Fixup = nothing,
            RowGather = nothing,
            Permute = nothing,
            SegmentReduce = nothing,
            Elementwise = nothing,
            Activation = nothing,
            SoftmaxCrossEntropy = nothing,
            BernoulliCrossEntropy = nothing,
            Attention = nothing,
            LayerNorm = nothing,
            WeightNorm = nothing,
            SparseProduct = nothing,
            SparseMaximum = nothing,
            Reduction = nothing,
            Philox = nothing,
            Dropout = nothing,
        };
    }

    public void Run(in GemmArguments arguments) { }

    public void Activate(MatrixView<float> x, VectorView<float> before, VectorView<float> after, MatrixView<float> y) { }

    public void ActivateBackward(
        MatrixView<float> x, VectorView<float> before, MatrixView<float> outputGradient, MatrixView<float> inputGradient, in ScalarGradients sums)
    { }

    public void Join(
        MatrixView<float> skip, MatrixView<float> x, VectorView<float> multiplier, VectorView<float> bias, float scale, MatrixView<float> y)
    { }

    public void JoinBackward(
        MatrixView<float> x,
        VectorView<float> multiplier,
        float scale,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient,
        in ScalarGradients sums)
    { }

    public void Forward(in ConvolutionArguments arguments) { }

    public void InputGradient(in ConvolutionArguments arguments) { }

    public void WeightGradient(in ConvolutionArguments arguments) { }

    public void Max(MatrixView<float> x, ConvolutionShape shape, MatrixView<float> y, MatrixView<float> places) { }

    public void MaxAdjoint(
        MatrixView<float> outputGradient,
        MatrixView<float> places,
        ConvolutionShape shape,
        float beta,
        MatrixView<float> inputGradient)
    { }

    public void Average(MatrixView<float> x, ConvolutionShape shape, MatrixView<float> y) { }

    public void AverageAdjoint(MatrixView<float> outputGradient, ConvolutionShape shape, float beta, MatrixView<float> inputGradient) { }

    public void Statistics(MatrixView<float> x, int groupRows, float epsilon, MatrixView<float> statistics) { }

    public void FromRunning(VectorView<float> mean, VectorView<float> variance, float epsilon, MatrixView<float> statistics) { }

    public void UpdateRunning(
        MatrixView<float> statistics,
        int groupRows,
        float epsilon,
        float momentum,
        VectorView<float> mean,
        VectorView<float> variance)
    { }

    public void Normalize(
        MatrixView<float> x,
        int groupRows,
        MatrixView<float> statistics,
        VectorView<float> gain,
        VectorView<float> bias,
        MatrixView<float> y)
    { }

    public void Backward(
        MatrixView<float> x,
        int groupRows,
        MatrixView<float> statistics,
        VectorView<float> gain,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient,
        bool constantStatistics)
    { }

    public void ParameterGradients(
        MatrixView<float> x,
        int groupRows,
        MatrixView<float> statistics,
        MatrixView<float> outputGradient,
        float beta,
        VectorView<float> gainGradient,
        VectorView<float> biasGradient)
    { }

    public void Gather(MatrixView<float> table, VectorView<int> indices, MatrixView<float> y) { }

    public void ScatterAdd(MatrixView<float> x, VectorView<int> indices, float beta, MatrixView<float> table) { }

    public void Run(VectorView<float> x, PermutedDimensions dimensions, VectorView<float> y) { }

    public void Reduce(MatrixView<float> x, int sharing, SegmentOffsets? offsets, SharingScale scale, MatrixView<float> y) { }

    public void Spread(MatrixView<float> y, int sharing, SegmentOffsets? offsets, SharingScale scale, MatrixView<float> x) { }

    public void Fill(float value, MatrixView<float> y) { }

    public void Copy(MatrixView<float> x, MatrixView<float> y) { }

    public void Axpby(float alpha, MatrixView<float> x, float beta, MatrixView<float> y) { }

    public void AddRow(VectorView<float> row, MatrixView<float> y) { }

    public void KroneckerDivide(MatrixView<float> v, VectorView<float> b, VectorView<float> a, float damping, MatrixView<float> u) { }

    public void Forward(ActivationKind kind, MatrixView<float> x, MatrixView<float> y) { }

    public void Backward(
        ActivationKind kind,
        MatrixView<float> x,
        MatrixView<float> y,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient)
    { }

    public void Forward(MatrixView<float> logits, VectorView<int> labels, MatrixView<float> probabilities, VectorView<float> losses, float smoothing) { }

    public void Gradient(MatrixView<float> probabilities, VectorView<int> labels, float scale, MatrixView<float> gradient, float smoothing) { }

    public void Sample(MatrixView<float> probabilities, VectorView<int> labels, DeviceKey key, ulong offset, VectorView<int> sampled) { }

    public void HessianRoot(MatrixView<float> probabilities, VectorView<int> labels, int firstColumn, MatrixView<float> columns) { }

    public void Forward(MatrixView<float> logits, MatrixView<float> targets, MatrixView<float> probabilities, VectorView<float> losses) { }

    public void Gradient(MatrixView<float> probabilities, MatrixView<float> targets, float scale, MatrixView<float> gradient) { }

    public void Sample(MatrixView<float> probabilities, MatrixView<float> targets, DeviceKey key, ulong offset, MatrixView<float> sampled) { }

    public void HessianRoot(MatrixView<float> probabilities, MatrixView<float> targets, int firstColumn, MatrixView<float> columns) { }

    public void Forward(in AttentionArguments arguments) { }

    public void Backward(in AttentionArguments arguments, in AttentionGradients gradients) { }

    public void Forward(
        MatrixView<float> x,
        VectorView<float> gain,
        VectorView<float> bias,
        float epsilon,
        MatrixView<float> y,
        MatrixView<float> statistics)
    { }

    public void Backward(
        MatrixView<float> x,
        MatrixView<float> statistics,
        VectorView<float> gain,
        MatrixView<float> outputGradient,
        MatrixView<float> inputGradient)
    { }

    public void ParameterGradients(
        MatrixView<float> x,
        MatrixView<float> statistics,
        MatrixView<float> outputGradient,
        float beta,
        VectorView<float> gainGradient,
        VectorView<float> biasGradient)
    { }

    public void Forward(MatrixView<float> v, VectorView<float> gain, MatrixView<float> weight) { }

    public void Backward(
        MatrixView<float> v,
        VectorView<float> gain,
        MatrixView<float> weightGradient,
        float beta,
        MatrixView<float> directionGradient,
        VectorView<float> gainGradient)
    { }

    public void Run(float alpha, SparseMatrix s, MatrixView<float> x, float beta, MatrixView<float> y) { }

    public void Forward(SparseMatrix s, MatrixView<float> x, MatrixView<float> y, MatrixView<int> winners) { }

    public void Backward(
        SparseMatrix transposed,
        MatrixView<int> winners,
        MatrixView<float> outputGradient,
        float beta,
        MatrixView<float> inputGradient)
    { }

    public void Sum(MatrixView<float> x, VectorView<double> result) { }

    public void Dot(MatrixView<float> x, MatrixView<float> y, VectorView<double> result) { }

    public void Trace(MatrixView<float> x, VectorView<double> result) { }

    public void MaxAsymmetry(MatrixView<float> x, VectorView<double> result) { }

    public void ColumnSum(MatrixView<float> x, float alpha, float beta, VectorView<float> row) { }

    public void RowDot(MatrixView<float> x, MatrixView<float> y, float alpha, VectorView<float> result) { }

    public void FirstNonFinite(MatrixView<float> x, VectorView<long> result) { }

    public void CountCorrect(MatrixView<float> scores, VectorView<int> labels, VectorView<long> result) { }

    public void Uniform(DeviceKey key, ulong offset, VectorView<float> y) { }

    public void Normal(DeviceKey key, ulong offset, VectorView<float> y) { }

    public void Apply(DeviceKey key, float rate, int seedRows, MatrixView<float> x, MatrixView<float> y) { }
}
