using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Rows of a vocabulary's table by the tokens of a batch, and their gradients back to it.</summary>
[MemoryDiagnoser]
public class RowGatherBenchmarks
{
    private const int Tokens = 64 * 256;

    private Device _device = null!;
    private Arena _arena = null!;
    private MatrixView<float> _table;
    private MatrixView<float> _rows;
    private VectorView<int> _tokens;

    [Params(65, 50_257)]
    public int Vocabulary { get; set; }

    [Params(192, 768)]
    public int Columns { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu");
        _arena = new Arena(_device);
        _table = _arena.Matrix<float>(Vocabulary, Columns);
        _rows = _arena.Matrix<float>(Tokens, Columns);
        _tokens = _arena.Vector<int>(Tokens);
        var random = new PhiloxGenerator(new PhiloxKey(1, 2));
        int[] tokens = [.. Enumerable.Range(0, Tokens).Select(_ => random.NextBelow(Vocabulary))];
        _device.DefaultStream.Upload(tokens, _tokens);
        Elementwise.Fill(_device.DefaultStream, 0.5f, _table);
        Elementwise.Fill(_device.DefaultStream, 0.5f, _rows);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Gather() => RowGather.Gather(_device.DefaultStream, _table, _tokens, _rows);

    [Benchmark]
    public void ScatterAdd() => RowGather.ScatterAdd(_device.DefaultStream, _rows, _tokens, 0, _table);
}
