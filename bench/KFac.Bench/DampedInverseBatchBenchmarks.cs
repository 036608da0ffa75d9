using BenchmarkDotNet.Attributes;
using KFac.Cli;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Damped inverses of all 34 factors of a WRN-16-4, 16 to 2304 wide, in one call: Σ n³ operations, 84% of them in three.</summary>
[MemoryDiagnoser]
public class DampedInverseBatchBenchmarks : IDisposable
{
    private readonly Device _device;
    private readonly Arena _arena;
    private readonly DampedInverseItem[] _items;
    private readonly VectorView<int> _status;

    public DampedInverseBatchBenchmarks()
    {
        _device = Device.Open("cpu");
        _arena = new Arena(_device);
        _items = [.. FactorSets.Sizes("wrn16-4").Select(Covariance)];
        _status = _arena.Vector<int>(_items.Length);
    }

    [Benchmark(Baseline = true)]
    public void Together() => DampedInverse.Run(_device.DefaultStream, _items, _status);

    [Benchmark]
    public void OneByOne()
    {
        for (int i = 0; i < _items.Length; i++)
        {
            DampedInverse.Run(_device.DefaultStream, _items.AsSpan(i, 1), _status.Slice(i, 1));
        }
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _arena.Dispose();
        _device.Dispose();
        GC.SuppressFinalize(this);
    }

    private DampedInverseItem Covariance(int size, int seed)
    {
        MatrixView<float> matrix = _arena.Matrix<float>(size, size);
        MatrixView<float> inverse = _arena.Matrix<float>(size, size);
        using var temporary = new Arena(_device);
        MatrixView<float> rows = temporary.Matrix<float>(2 * size, size);
        Philox.Normal(_device.DefaultStream, new PhiloxKey((ulong)seed, 0), 0, rows.AsVector());
        Gram.Expand(_device.DefaultStream, rows, 0.5f / size, 0, matrix);
        _device.DefaultStream.Synchronize();
        return new DampedInverseItem(matrix, 0.01f, inverse);
    }
}
