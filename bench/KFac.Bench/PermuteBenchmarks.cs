using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

public class PermuteBenchmarks : VectorBenchmarks
{
    [Benchmark]
    [BytesPerElement(8)]
    public void Transpose() => Permute.Run(Stream, X.AsVector(), [X.Rows, X.Columns], [1, 0], Y.AsVector());

    /// <summary>Blocks of whole rows change places.</summary>
    [Benchmark]
    [BytesPerElement(8)]
    public void Blocks() => Permute.Run(Stream, X.AsVector(), [X.Rows / 8, 8, X.Columns], [1, 0, 2], Y.AsVector());
}
