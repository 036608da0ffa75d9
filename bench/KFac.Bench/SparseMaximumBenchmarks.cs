using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Largest features among the neighbours of each node of a random graph of Cora's size.</summary>
[MemoryDiagnoser]
public class SparseMaximumBenchmarks
{
    private const int Nodes = 2708;
    private const int Entries = 13_264;

    private Device _device = null!;
    private Arena _arena = null!;
    private SparseMatrix _neighbours = null!;
    private SparseMatrix _transposed = null!;
    private MatrixView<float> _x;
    private MatrixView<float> _y;
    private MatrixView<int> _winners;

    [Params(16, 256)]
    public int Columns { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu");
        _arena = new Arena(_device);
        var random = new PhiloxGenerator(new PhiloxKey(1, 2));
        int[] from = [.. Enumerable.Range(0, Entries).Select(_ => random.NextBelow(Nodes))];
        int[] to = [.. Enumerable.Range(0, Entries).Select(_ => random.NextBelow(Nodes))];
        _neighbours = SparseMatrix.FromEntries(_device.DefaultStream, _arena, Nodes, Nodes, to, from);
        _transposed = SparseMatrix.FromEntries(_device.DefaultStream, _arena, Nodes, Nodes, from, to);
        _x = _arena.Matrix<float>(Nodes, Columns);
        _y = _arena.Matrix<float>(Nodes, Columns);
        _winners = _arena.Matrix<int>(Nodes, Columns);
        Philox.Normal(_device.DefaultStream, new PhiloxKey(1, 3), 0, _x.AsVector());
        Forward();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Forward() => SparseMaximum.Forward(_device.DefaultStream, _neighbours, _x, _y, _winners);

    [Benchmark]
    public void Backward() => SparseMaximum.Backward(_device.DefaultStream, _transposed, _winners, _y, 0, _x);
}
