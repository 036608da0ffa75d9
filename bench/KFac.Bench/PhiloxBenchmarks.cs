using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

public class PhiloxBenchmarks : VectorBenchmarks
{
    [Benchmark]
    [BytesPerElement(4)]
    public void Uniform() => Philox.Uniform(Stream, default, 0, X.AsVector());

    [Benchmark]
    [BytesPerElement(4)]
    public void Normal() => Philox.Normal(Stream, default, 0, X.AsVector());
}
