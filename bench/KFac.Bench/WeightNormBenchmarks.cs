using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Normalisation of a convolution's weight, 512 channels of 512·3·3 elements: bound by the bandwidth of reading and writing.</summary>
[MemoryDiagnoser]
public class WeightNormBenchmarks
{
    private Device _device = null!;
    private Arena _arena = null!;
    private MatrixView<float> _v;
    private MatrixView<float> _weight;
    private MatrixView<float> _gradient;
    private VectorView<float> _gain;
    private VectorView<float> _gainGradient;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params(512)]
    public int Rows { get; set; }

    [Params(512 * 9)]
    public int Columns { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu", new DeviceOptions { Threads = Threads });
        _arena = new Arena(_device);
        _v = _arena.Matrix<float>(Rows, Columns);
        _weight = _arena.Matrix<float>(Rows, Columns);
        _gradient = _arena.Matrix<float>(Rows, Columns);
        _gain = _arena.Vector<float>(Rows);
        _gainGradient = _arena.Vector<float>(Rows);
        Philox.Normal(_device.DefaultStream, new PhiloxKey(1, 2), 0, _v.AsVector());
        Elementwise.Fill(_device.DefaultStream, 0.5f, _gradient);
        Elementwise.Fill(_device.DefaultStream, 1f, _gain.AsMatrix(1, Rows));
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Forward() => WeightNorm.Forward(_device.DefaultStream, _v, _gain, _weight);

    [Benchmark]
    public void Backward() => WeightNorm.Backward(_device.DefaultStream, _v, _gain, _gradient, 0f, _weight, _gainGradient);
}
