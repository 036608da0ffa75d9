using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

public class ReductionBenchmarks : VectorBenchmarks
{
    [Benchmark]
    [BytesPerElement(4)]
    public void Sum() => Reduction.Sum(Stream, X, Scalar);

    [Benchmark]
    [BytesPerElement(8)]
    public void Dot() => Reduction.Dot(Stream, X, Y, Scalar);

    [Benchmark]
    [BytesPerElement(4)]
    public void ColumnSum() => Reduction.ColumnSum(Stream, X, 1, 0, Row);

    [Benchmark]
    [BytesPerElement(4)]
    public void FirstNonFinite() => Reduction.FirstNonFinite(Stream, X, Count);

    [Benchmark]
    [BytesPerElement(4)]
    public void CountCorrect() => Reduction.CountCorrect(Stream, X, Labels, Count);
}
