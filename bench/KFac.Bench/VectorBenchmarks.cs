using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Operands of the memory-bound benchmarks: <see cref="Length"/> elements, once within the caches and once beyond,
/// as rows of <see cref="Width"/>.</summary>
[MemoryDiagnoser]
[BandwidthColumn]
public abstract class VectorBenchmarks
{
    protected const int Width = 64;

    private Device _device = null!;
    private Arena _arena = null!;

    [Params(1 << 16, 1 << 24)]
    public int Length { get; set; }

    protected DeviceStream Stream => _device.DefaultStream;

    protected MatrixView<float> X { get; private set; }

    protected MatrixView<float> Y { get; private set; }

    protected MatrixView<float> Z { get; private set; }

    protected MatrixView<float> U { get; private set; }

    protected VectorView<float> Row { get; private set; }

    protected VectorView<float> Column { get; private set; }

    protected VectorView<int> Labels { get; private set; }

    protected VectorView<double> Scalar { get; private set; }

    protected VectorView<long> Count { get; private set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu");
        _arena = new Arena(_device);
        X = Filled(1);
        Y = Filled(2);
        Z = Filled(3);
        U = Filled(4);
        Row = _arena.Vector<float>(Width);
        Column = _arena.Vector<float>(Length / Width);
        Labels = _arena.Vector<int>(Length / Width);
        Scalar = _arena.Vector<double>(1);
        Count = _arena.Vector<long>(1);
        Stream.Upload(new int[Length / Width], Labels);
        Philox.Uniform(Stream, default, 0, Row);
        Philox.Uniform(Stream, default, 0, Column);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    private MatrixView<float> Filled(ulong sequence)
    {
        VectorView<float> values = _arena.Vector<float>(Length);
        Philox.Uniform(Stream, new PhiloxKey(1, sequence), 0, values);
        return values.AsMatrix(Length / Width, Width);
    }
}
