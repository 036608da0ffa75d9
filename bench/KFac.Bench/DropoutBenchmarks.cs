using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

public class DropoutBenchmarks : VectorBenchmarks
{
    [Benchmark]
    [BytesPerElement(8)]
    public void Apply() => Dropout.Apply(Stream, new PhiloxKey(1, 2), 0.1f, X.Rows, X, Y);
}
