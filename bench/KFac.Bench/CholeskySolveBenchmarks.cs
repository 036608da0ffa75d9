using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>A damped inverse and its product with some vectors: formed, and through its Cholesky factor.</summary>
[MemoryDiagnoser]
public class CholeskySolveBenchmarks
{
    private const float Damping = 0.01f;

    private readonly DampedInverseItem[] _inversion = new DampedInverseItem[1];
    private readonly CholeskySolveItem[] _factoring = new CholeskySolveItem[1];
    private Device _device = null!;
    private Arena _arena = null!;
    private MatrixView<float> _v;
    private MatrixView<float> _result;
    private VectorView<int> _status;

    [Params(192, 512, 1000)]
    public int Width { get; set; }

    [Params(16, 100, 1000)]
    public int Vectors { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu");
        _arena = new Arena(_device);
        DeviceStream stream = _device.DefaultStream;
        MatrixView<float> rows = _arena.Matrix<float>(2 * Width, Width);
        MatrixView<float> factor = _arena.Matrix<float>(Width, Width);
        _v = _arena.Matrix<float>(Vectors, Width);
        _result = _arena.Matrix<float>(Vectors, Width);
        _status = _arena.Vector<int>(1);
        Philox.Normal(stream, new PhiloxKey(1, 5), 0, rows.AsVector());
        Philox.Normal(stream, new PhiloxKey(1, 6), 0, _v.AsVector());
        Gram.Expand(stream, rows, 0.5f / Width, 0, factor);
        _inversion[0] = new DampedInverseItem(factor, Damping, _arena.Matrix<float>(Width, Width));
        _factoring[0] = new CholeskySolveItem(factor, Damping, _arena.Vector<float>(CholeskySolve.FactorLength(Width)));
        Invert();
        Factor();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Invert() => DampedInverse.Run(_device.DefaultStream, _inversion, _status);

    [Benchmark]
    public void Factor() => CholeskySolve.Factor(_device.DefaultStream, _factoring, _status);

    [Benchmark]
    public void Multiply() => Gemm.Run(_device.DefaultStream, Transpose.No, Transpose.No, 1, _v, _inversion[0].Inverse, 0, _result);

    [Benchmark]
    public void Solve() => CholeskySolve.Apply(_device.DefaultStream, MatrixSide.Right, _factoring[0].Factor, _v, _result);
}
