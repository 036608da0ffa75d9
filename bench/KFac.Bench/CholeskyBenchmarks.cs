using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Cholesky factorisation of one damped matrix: n³/3 operations.</summary>
[MemoryDiagnoser]
public class CholeskyBenchmarks : IDisposable
{
    private readonly SymmetricProblem _problem = new();

    [Params(64, 256, 512, 1024, 2048)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup() => _problem.Allocate(Size);

    [Benchmark]
    public void Factor() => Cholesky.Run(_problem.Stream, _problem.Matrix, 0.01f, _problem.Result, _problem.Status);

    [GlobalCleanup]
    public void Dispose()
    {
        _problem.Dispose();
        GC.SuppressFinalize(this);
    }
}
