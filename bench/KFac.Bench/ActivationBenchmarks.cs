using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

public class ActivationBenchmarks : VectorBenchmarks
{
    [Params(ActivationKind.Relu, ActivationKind.Tanh, ActivationKind.Sigmoid, ActivationKind.Gelu)]
    public ActivationKind Kind { get; set; }

    [Benchmark]
    [BytesPerElement(8)]
    public void Forward() => Activation.Forward(Stream, Kind, X, Y);

    [Benchmark]
    [BytesPerElement(16)]
    public void Backward() => Activation.Backward(Stream, Kind, X, Y, Z, U);
}
