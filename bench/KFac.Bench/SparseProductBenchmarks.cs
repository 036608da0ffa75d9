using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Sums over the edges of a random graph of Cora's size: bound by the bandwidth of reading rows in any order.</summary>
[MemoryDiagnoser]
public class SparseProductBenchmarks
{
    private const int Nodes = 2708;
    private const int Entries = 13_264;

    private Device _device = null!;
    private Arena _arena = null!;
    private SparseMatrix _adjacency = null!;
    private MatrixView<float> _x;
    private MatrixView<float> _y;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params(16, 256, 1433)]
    public int Columns { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu", new DeviceOptions { Threads = Threads });
        _arena = new Arena(_device);
        var random = new PhiloxGenerator(new PhiloxKey(1, 2));
        int[] from = [.. Enumerable.Range(0, Entries).Select(_ => random.NextBelow(Nodes))];
        int[] to = [.. Enumerable.Range(0, Entries).Select(_ => random.NextBelow(Nodes))];
        _adjacency = SparseMatrix.FromEntries(_device.DefaultStream, _arena, Nodes, Nodes, to, from);
        _x = _arena.Matrix<float>(Nodes, Columns);
        _y = _arena.Matrix<float>(Nodes, Columns);
        Elementwise.Fill(_device.DefaultStream, 0.5f, _x);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Aggregate() => SparseProduct.Run(_device.DefaultStream, 1f, _adjacency, _x, 0f, _y);
}
