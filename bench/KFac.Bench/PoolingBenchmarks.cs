using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Pooling of 2×2 pixels, as VGG-11 has it: bound by the bandwidth of reading and writing images.</summary>
[MemoryDiagnoser]
public class PoolingBenchmarks
{
    private const int Images = 64;

    private Device _device = null!;
    private Arena _arena = null!;
    private ConvolutionShape _shape = null!;
    private MatrixView<float> _x;
    private MatrixView<float> _y;
    private MatrixView<float> _places;

    [Params(64, 256)]
    public int Channels { get; set; }

    [Params(16)]
    public int Side { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _shape = new ConvolutionShape { Channels = Channels, Height = Side, Width = Side, KernelHeight = 2, KernelWidth = 2, Stride = 2 };
        _device = Device.Open("cpu");
        _arena = new Arena(_device);
        _x = _arena.Matrix<float>(Images * _shape.Pixels, Channels);
        _y = _arena.Matrix<float>(Images * _shape.OutputHeight * _shape.OutputWidth, Channels);
        _places = _arena.Matrix<float>(_y.Rows, Channels);
        Philox.Normal(_device.DefaultStream, new PhiloxKey(1, 2), 0, _x.AsVector());
        Max();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Max() => Pooling.Max(_device.DefaultStream, _x, _shape, _y, _places);

    [Benchmark]
    public void MaxAdjoint() => Pooling.MaxAdjoint(_device.DefaultStream, _y, _places, _shape, 0, _x);

    [Benchmark]
    public void Average() => Pooling.Average(_device.DefaultStream, _x, _shape, _y);

    [Benchmark]
    public void AverageAdjoint() => Pooling.AverageAdjoint(_device.DefaultStream, _y, _shape, 0, _x);
}
