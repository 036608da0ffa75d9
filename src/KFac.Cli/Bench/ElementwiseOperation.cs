using KFac.Kernels;

namespace KFac.Cli;

/// <summary>An operation of <c>kfac bench elementwise</c>.</summary>
/// <param name="Name">As the peer knows it too.</param>
/// <param name="Reads">Operands of full size that must be read in the pass that writes, or in the only one.</param>
/// <param name="Writes">Operands of full size that must be written.</param>
internal readonly record struct ElementwiseOperation(string Name, double Reads, double Writes, Action<DeviceStream, ElementwiseOperands> Run)
{
    private const float Epsilon = 1e-5f;

    private static readonly MomentumStep _momentum = new(1e-6f, 0.9f, 1e-4f, Nesterov: false);
    private static readonly AdamStep _adam = new(1e-6f, 0.9f, 0.999f, 1e-8f, 0.01f, 1, 0, 1);

    /// <summary>Operands of full size that must be read in a pass before, since the pass that writes needs sums over all rows, and that no cache
    /// keeps until then: neither going through some columns at a time nor going backwards changes what this costs.</summary>
    public double EarlierReads { get; init; }

    /// <summary>Operands of full size that go to or from memory.</summary>
    public double Operands => EarlierReads + Reads + Writes;

    /// <summary>Every operation that memory limits, by kernel.</summary>
    public static IReadOnlyList<ElementwiseOperation> All { get; } =
    [
        new("fill", 0, 1, static (stream, o) => Elementwise.Fill(stream, 1, o.Y)),
        new("copy", 1, 1, static (stream, o) => Elementwise.Copy(stream, o.X, o.Y)),
        new("axpby", 2, 1, static (stream, o) => Elementwise.Axpby(stream, 0.5f, o.X, 0.5f, o.Y)),
        new("add row", 1, 1, static (stream, o) => Elementwise.AddRow(stream, o.Row, o.Y)),
        new("kronecker divide", 1, 1, static (stream, o) => Elementwise.KroneckerDivide(stream, o.X, o.Column, o.Row, 1e-3f, o.Y)),
        .. Activations("relu", ActivationKind.Relu),
        .. Activations("tanh", ActivationKind.Tanh),
        .. Activations("sigmoid", ActivationKind.Sigmoid),
        .. Activations("gelu", ActivationKind.Gelu),
        new("softmax loss", 1, 1, static (stream, o) => SoftmaxCrossEntropy.Forward(stream, o.X, o.Labels, o.Y, o.Column)),
        new("softmax gradient", 1, 1, static (stream, o) => SoftmaxCrossEntropy.Gradient(stream, o.X, o.Labels, 1, o.Y)),
        new("softmax root", 1, 1, static (stream, o) => SoftmaxCrossEntropy.HessianRoot(stream, o.X, o.Labels, 0, o.Y)),
        new("bernoulli loss", 2, 1, static (stream, o) => BernoulliCrossEntropy.Forward(stream, o.X, o.Z, o.Y, o.Column)),
        new("bernoulli gradient", 2, 1, static (stream, o) => BernoulliCrossEntropy.Gradient(stream, o.X, o.Z, 1, o.Y)),
        new("bernoulli sample", 2, 1, static (stream, o) => BernoulliCrossEntropy.Sample(stream, o.X, o.Z, default, 0, o.Y)),
        new("layer norm", 1, 1, static (stream, o) => LayerNorm.Forward(stream, o.X, o.Row, o.Bias, Epsilon, o.Y, o.Statistics)),
        new("layer norm backward", 2, 1, static (stream, o) => LayerNorm.Backward(stream, o.X, o.Statistics, o.Row, o.Z, o.Y)),
        new("layer norm gradients", 2, 0, static (stream, o) =>
            LayerNorm.ParameterGradients(stream, o.X, o.Statistics, o.Z, 0, o.RowGradient, o.BiasGradient)),
        .. BatchNormalisation,
        .. ImagePooling,
        new("embedding", 1, 1, static (stream, o) => RowGather.Gather(stream, o.X, o.Order, o.Y)),
        new("embedding backward", 1, 1, static (stream, o) => RowGather.ScatterAdd(stream, o.X, o.Order, 0, o.Y)),
        new("residual add", 2, 1, static (stream, o) => Elementwise.Axpby(stream, 1, o.X, 1, o.Y)),
        new("dropout", 1, 1, static (stream, o) => Dropout.Apply(stream, default, 0.1f, o.X.Rows, o.X, o.Y)),
        new("sum", 1, 0, static (stream, o) => Reduction.Sum(stream, o.X, o.Scalar)),
        new("dot", 2, 0, static (stream, o) => Reduction.Dot(stream, o.X, o.Y, o.Scalar)),
        new("column sum", 1, 0, static (stream, o) => Reduction.ColumnSum(stream, o.X, 1, 0, o.Row)),
        new("row dot", 2, 0, static (stream, o) => Reduction.RowDot(stream, o.X, o.Y, 1, o.Column)),
        new("first non-finite", 1, 0, static (stream, o) => Reduction.FirstNonFinite(stream, o.X, o.Count)),
        new("count correct", 1, 0, static (stream, o) => Reduction.CountCorrect(stream, o.X, o.Labels, o.Count)),
        new("momentum", 3, 2, static (stream, o) => ParameterUpdate.Momentum(stream, _momentum, o.X.AsVector(), o.Y.AsVector(), o.Z.AsVector())),
        new("adam", 4, 3, static (stream, o) =>
            ParameterUpdate.Adam(stream, _adam, o.X.AsVector(), o.Y.AsVector(), o.U.AsVector(), o.Z.AsVector())),
        new("uniform", 0, 1, static (stream, o) => Philox.Uniform(stream, default, 0, o.Y.AsVector())),
        new("normal", 0, 1, static (stream, o) => Philox.Normal(stream, default, 0, o.Y.AsVector())),
    ];

    /// <summary>10⁹ bytes a second at most. A pass takes as long as its reads alone, its writes alone, or both at the rate of a copy, whichever
    /// is longest: memory takes reads and writes at once, and neither faster than alone.</summary>
    public double MemoryLimit(MachineLimits limits)
    {
        double earlier = EarlierReads / limits.ReadGBps;
        double together = Reads > 0 && Writes > 0 ? (Reads + Writes) / limits.CopyGBps : 0;
        double last = Math.Max(together, Math.Max(Reads / limits.ReadGBps, Writes / limits.WriteGBps));
        return Operands / (earlier + last);
    }

    /// <summary>The operation of that name, or null.</summary>
    public static ElementwiseOperation? Find(string name)
    {
        foreach (ElementwiseOperation each in All)
        {
            if (each.Name == name)
            {
                return each;
            }
        }

        return null;
    }

    /// <summary>Over one group of all rows.</summary>
    private static ElementwiseOperation[] BatchNormalisation =>
    [
        new("batch norm", 1, 1, static (stream, o) =>
        {
            BatchNorm.Statistics(stream, o.X, o.X.Rows, Epsilon, o.GroupStatistics);
            BatchNorm.Normalize(stream, o.X, o.X.Rows, o.GroupStatistics, o.Row, o.Bias, o.Y);
        })
        { EarlierReads = 1 },
        new("batch norm backward", 2, 1, static (stream, o) =>
            BatchNorm.Backward(stream, o.X, o.X.Rows, o.GroupStatistics, o.Row, o.Z, o.Y))
        { EarlierReads = 2 },
        new("batch norm gradients", 2, 0, static (stream, o) =>
            BatchNorm.ParameterGradients(stream, o.X, o.X.Rows, o.GroupStatistics, o.Z, 0, o.RowGradient, o.BiasGradient)),
    ];

    /// <summary>Windows of four pixels side by side; maxima keep their places beside them.</summary>
    private static ElementwiseOperation[] ImagePooling =>
    [
        new("max pool", 1, 0.5, static (stream, o) => Pooling.Max(stream, o.X, o.Images.Window, o.Pooled(o.Z), o.Pooled(o.U))),
        new("max pool backward", 0.5, 1, static (stream, o) =>
            Pooling.MaxAdjoint(stream, o.Pooled(o.Z), o.Pooled(o.U), o.Images.Window, 0, o.Y)),
        new("average pool", 1, 0.25, static (stream, o) => Pooling.Average(stream, o.X, o.Images.Window, o.Pooled(o.Z))),
        new("average pool backward", 0.25, 1, static (stream, o) =>
            Pooling.AverageAdjoint(stream, o.Pooled(o.Z), o.Images.Window, 0, o.Y)),
        new("global pool", 1, 0, static (stream, o) =>
            SegmentReduce.Uniform(stream, o.X, o.Images.Pixels, SharingScale.Mean, o.Z.RowRange(0, o.Images.Count))),
        new("global pool backward", 0, 1, static (stream, o) =>
            SegmentReduce.SpreadUniform(stream, o.Z.RowRange(0, o.Images.Count), o.Images.Pixels, SharingScale.Mean, o.Y)),
    ];

    /// <summary>The derivative is had from one of input and output.</summary>
    private static ElementwiseOperation[] Activations(string name, ActivationKind kind) =>
    [
        new(name, 1, 1, (stream, o) => Activation.Forward(stream, kind, o.X, o.Y)),
        new($"{name} backward", 2, 1, (stream, o) => Activation.Backward(stream, kind, o.X, o.Y, o.Z, o.U)),
    ];
}
