using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

public class ElementwiseBenchmarks : VectorBenchmarks
{
    [Benchmark]
    [BytesPerElement(4)]
    public void Fill() => Elementwise.Fill(Stream, 1, Y);

    [Benchmark]
    [BytesPerElement(8)]
    public void Copy() => Elementwise.Copy(Stream, X, Y);

    [Benchmark]
    [BytesPerElement(12)]
    public void Axpby() => Elementwise.Axpby(Stream, 0.5f, X, 0.5f, Y);

    [Benchmark]
    [BytesPerElement(8)]
    public void AddRow() => Elementwise.AddRow(Stream, Row, Y);

    [Benchmark]
    [BytesPerElement(8)]
    public void KroneckerDivide() => Elementwise.KroneckerDivide(Stream, X, Column, Row, 1e-3f, Y);
}
