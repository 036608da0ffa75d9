using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

public class SoftmaxCrossEntropyBenchmarks : VectorBenchmarks
{
    [Benchmark]
    [BytesPerElement(8)]
    public void Forward() => SoftmaxCrossEntropy.Forward(Stream, X, Labels, Y, Column);

    [Benchmark]
    [BytesPerElement(8)]
    public void Gradient() => SoftmaxCrossEntropy.Gradient(Stream, X, Labels, 1, Y);

    [Benchmark]
    [BytesPerElement(4)]
    public void Sample() => SoftmaxCrossEntropy.Sample(Stream, X, Labels, default, 0, Labels);

    [Benchmark]
    [BytesPerElement(8)]
    public void HessianRootColumn() => SoftmaxCrossEntropy.HessianRoot(Stream, X, Labels, 3, Y);
}
