using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Layer normalisation of the rows of a vision transformer at batch 64: bound by the bandwidth of reading and writing.</summary>
[MemoryDiagnoser]
public class LayerNormBenchmarks
{
    private Device _device = null!;
    private Arena _arena = null!;
    private MatrixView<float> _x;
    private MatrixView<float> _y;
    private MatrixView<float> _statistics;
    private MatrixView<float> _gradient;
    private VectorView<float> _gain;
    private VectorView<float> _bias;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params(64 * 65)]
    public int Rows { get; set; }

    [Params(192, 768)]
    public int Columns { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu", new DeviceOptions { Threads = Threads });
        _arena = new Arena(_device);
        _x = _arena.Matrix<float>(Rows, Columns);
        _y = _arena.Matrix<float>(Rows, Columns);
        _gradient = _arena.Matrix<float>(Rows, Columns);
        _statistics = _arena.Matrix<float>(Rows, LayerNorm.StatisticsColumns);
        _gain = _arena.Vector<float>(Columns);
        _bias = _arena.Vector<float>(Columns);
        Philox.Normal(_device.DefaultStream, new PhiloxKey(1, 2), 0, _x.AsVector());
        Elementwise.Fill(_device.DefaultStream, 0.5f, _gradient);
        Elementwise.Fill(_device.DefaultStream, 1f, _gain.AsMatrix(1, Columns));
        Elementwise.Fill(_device.DefaultStream, 0f, _bias.AsMatrix(1, Columns));
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Forward() => LayerNorm.Forward(_device.DefaultStream, _x, _gain, _bias, 1e-5f, _y, _statistics);

    [Benchmark]
    public void Backward() => LayerNorm.Backward(_device.DefaultStream, _x, _statistics, _gain, _gradient, _y);

    [Benchmark]
    public void ParameterGradients() =>
        LayerNorm.ParameterGradients(_device.DefaultStream, _x, _statistics, _gradient, 0f, _gain, _bias);
}
