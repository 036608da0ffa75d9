using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>The damped inverse of a factor of few rows and its product with as many vectors: through the factor, and through the rows' small system.</summary>
[MemoryDiagnoser]
public class DualInverseBenchmarks
{
    private const float Damping = 0.01f;

    private Device _device = null!;
    private Arena _arena = null!;
    private MatrixView<float> _x;
    private MatrixView<float> _v;
    private MatrixView<float> _result;
    private MatrixView<float> _primalFactor;
    private MatrixView<float> _primalInverse;
    private MatrixView<float> _dualFactor;
    private MatrixView<float> _smallInverse;
    private VectorView<int> _status;

    [Params(256, 1000)]
    public int Width { get; set; }

    [Params(32, 100, 200)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu");
        _arena = new Arena(_device);
        _x = _arena.Matrix<float>(Rows, Width);
        _v = _arena.Matrix<float>(Rows, Width);
        _result = _arena.Matrix<float>(Rows, Width);
        _status = _arena.Vector<int>(1);
        _primalFactor = _arena.Matrix<float>(Width, Width);
        _primalInverse = _arena.Matrix<float>(Width, Width);
        _dualFactor = _arena.Matrix<float>(Rows, Rows);
        _smallInverse = _arena.Matrix<float>(Rows, Rows);
        Philox.Normal(_device.DefaultStream, new PhiloxKey(1, 5), 0, _x.AsVector());
        Philox.Normal(_device.DefaultStream, new PhiloxKey(1, 6), 0, _v.AsVector());
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Primal()
    {
        DeviceStream stream = _device.DefaultStream;
        Gram.Expand(stream, _x, 1f / Rows, 0, _primalFactor);
        DampedInverse.Run(stream, [new DampedInverseItem(_primalFactor, Damping, _primalInverse)], _status);
        Gemm.Run(stream, Transpose.No, Transpose.No, 1, _v, _primalInverse, 0, _result);
    }

    [Benchmark]
    public void Dual()
    {
        DeviceStream stream = _device.DefaultStream;
        DualInverse.Gram(stream, _x, 1f / Rows, _dualFactor);
        DampedInverse.Run(stream, [new DampedInverseItem(_dualFactor, Damping, _smallInverse)], _status);
        DualInverse.Apply(stream, MatrixSide.Right, _x, 1f / Rows, _smallInverse, Damping, _v, _result);
    }
}
