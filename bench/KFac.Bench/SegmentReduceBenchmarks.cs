using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Sums over the sharing dimension, and the Gram matrix of what they leave: bound by the bandwidth of reading X.</summary>
[MemoryDiagnoser]
public class SegmentReduceBenchmarks
{
    private const int Columns = 384;

    private Device _device = null!;
    private Arena _arena = null!;
    private MatrixView<float> _x;
    private MatrixView<float> _y;
    private MatrixView<float> _gram;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params(64)]
    public int Examples { get; set; }

    [Params(16, 196)]
    public int Sharing { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu", new DeviceOptions { Threads = Threads });
        _arena = new Arena(_device);
        _x = _arena.Matrix<float>(Examples * Sharing, Columns);
        _y = _arena.Matrix<float>(Examples, Columns);
        _gram = _arena.Matrix<float>(Columns, Columns);
        Elementwise.Fill(_device.DefaultStream, 0.5f, _x);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Uniform() => SegmentReduce.Uniform(_device.DefaultStream, _x, Sharing, SharingScale.Mean, _y);

    [Benchmark]
    public void GramOfMeans() => Gram.Reduce(_device.DefaultStream, _x, Sharing, SharingScale.Mean, 1, 0, _gram);
}
