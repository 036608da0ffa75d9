using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Eigendecomposition of one matrix with its vectors.</summary>
[MemoryDiagnoser]
public class SymmetricEigenBenchmarks : IDisposable
{
    private readonly SymmetricProblem _problem = new();

    [Params(64, 128, 256, 512, 1024, 2048)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _problem.Allocate(Size);
        Diagonalise();
    }

    [Benchmark]
    public void Diagonalise() =>
        SymmetricEigen.Run(_problem.Stream, [new SymmetricEigenItem(_problem.Matrix, _problem.Values, _problem.Result)], _problem.Status);

    /// <summary>From the eigenvectors themselves: what it costs to see that they can be kept.</summary>
    [Benchmark]
    public void Keep() => SymmetricEigen.Run(
        _problem.Stream,
        [new SymmetricEigenItem(_problem.Matrix, _problem.Values, _problem.Result, _problem.Result)],
        _problem.Status);

    [GlobalCleanup]
    public void Dispose()
    {
        _problem.Dispose();
        GC.SuppressFinalize(this);
    }
}
