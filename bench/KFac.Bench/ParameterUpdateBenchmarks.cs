using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

public class ParameterUpdateBenchmarks : VectorBenchmarks
{
    [Benchmark]
    [BytesPerElement(20)]
    public void Momentum() => ParameterUpdate.Momentum(
        Stream, new MomentumStep(1e-6f, 0.9f, 1e-4f, Nesterov: false), X.AsVector(), Y.AsVector(), Z.AsVector());

    [Benchmark]
    [BytesPerElement(28)]
    public void Adam() => ParameterUpdate.Adam(
        Stream, new AdamStep(1e-6f, 0.9f, 0.999f, 1e-8f, 0.01f, 1, 0, 1), X.AsVector(), Y.AsVector(), U.AsVector(), Z.AsVector());
}
