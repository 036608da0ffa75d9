using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

public class BernoulliCrossEntropyBenchmarks : VectorBenchmarks
{
    [Benchmark]
    [BytesPerElement(12)]
    public void Forward() => BernoulliCrossEntropy.Forward(Stream, X, Z, Y, Column);

    [Benchmark]
    [BytesPerElement(12)]
    public void Gradient() => BernoulliCrossEntropy.Gradient(Stream, X, Z, 1, Y);

    [Benchmark]
    [BytesPerElement(12)]
    public void Sample() => BernoulliCrossEntropy.Sample(Stream, X, Z, default, 0, Y);

    [Benchmark]
    [BytesPerElement(4)]
    public void HessianRootColumn() => BernoulliCrossEntropy.HessianRoot(Stream, X, Z, 3, Y);
}
