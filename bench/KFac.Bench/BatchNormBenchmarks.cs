using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Batch normalisation of a residual network's stages, all rows together or in ghost batches: bound by the bandwidth of reading
/// and writing.</summary>
[MemoryDiagnoser]
public class BatchNormBenchmarks
{
    private const int Rows = 64 * 32 * 32;

    private Device _device = null!;
    private Arena _arena = null!;
    private MatrixView<float> _x;
    private MatrixView<float> _y;
    private MatrixView<float> _gradient;
    private MatrixView<float> _statistics;
    private VectorView<float> _gain;
    private VectorView<float> _bias;

    [Params(Rows, 8 * 32 * 32)]
    public int GroupRows { get; set; }

    [Params(16, 64)]
    public int Columns { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu");
        _arena = new Arena(_device);
        _x = _arena.Matrix<float>(Rows, Columns);
        _y = _arena.Matrix<float>(Rows, Columns);
        _gradient = _arena.Matrix<float>(Rows, Columns);
        _statistics = _arena.Matrix<float>(2 * (Rows / GroupRows), Columns);
        _gain = _arena.Vector<float>(Columns);
        _bias = _arena.Vector<float>(Columns);
        Philox.Normal(_device.DefaultStream, new PhiloxKey(1, 2), 0, _x.AsVector());
        Elementwise.Fill(_device.DefaultStream, 0.5f, _gradient);
        Elementwise.Fill(_device.DefaultStream, 1f, _gain.AsMatrix(1, Columns));
        Elementwise.Fill(_device.DefaultStream, 0f, _bias.AsMatrix(1, Columns));
        Statistics();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Statistics() => BatchNorm.Statistics(_device.DefaultStream, _x, GroupRows, 1e-5f, _statistics);

    [Benchmark]
    public void Normalize() => BatchNorm.Normalize(_device.DefaultStream, _x, GroupRows, _statistics, _gain, _bias, _y);

    [Benchmark]
    public void Backward() => BatchNorm.Backward(_device.DefaultStream, _x, GroupRows, _statistics, _gain, _gradient, _y);
}
