using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

public class DiagonalGramBenchmarks : VectorBenchmarks
{
    [Benchmark]
    [BytesPerElement(4)]
    public void Squares() => DiagonalGram.Expand(Stream, X, 1, 0, Row);

    [Benchmark]
    public void OneHot() => DiagonalGram.OneHotExpand(Stream, Labels, 1, 0, Row);
}
