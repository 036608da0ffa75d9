using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Damped inverse of one matrix: n³ operations.</summary>
[MemoryDiagnoser]
public class DampedInverseBenchmarks : IDisposable
{
    private readonly SymmetricProblem _problem = new();

    [Params(64, 256, 512, 1024, 2048)]
    public int Size { get; set; }

    [GlobalSetup]
    public void Setup() => _problem.Allocate(Size);

    [Benchmark(Baseline = true)]
    public void Single() => Run(InversePrecision.Single);

    [Benchmark]
    public void Double() => Run(InversePrecision.Double);

    [GlobalCleanup]
    public void Dispose()
    {
        _problem.Dispose();
        GC.SuppressFinalize(this);
    }

    private void Run(InversePrecision precision) =>
        DampedInverse.Run(_problem.Stream, [new DampedInverseItem(_problem.Matrix, 0.01f, _problem.Result)], _problem.Status, precision);
}
