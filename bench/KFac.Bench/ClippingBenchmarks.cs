using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

public class ClippingBenchmarks : VectorBenchmarks
{
    /// <summary>By −1, which neither is skipped as 1 is nor takes the numbers to zero.</summary>
    [Benchmark]
    [BytesPerElement(8)]
    public void Apply()
    {
        VectorView<float> factor = Row.Slice(0, 1);
        Elementwise.Fill(Stream, -1, factor.AsMatrix(1, 1));
        Clipping.Apply(Stream, factor, X);
    }
}
