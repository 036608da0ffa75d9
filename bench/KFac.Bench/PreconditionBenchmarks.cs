using BenchmarkDotNet.Attributes;
using KFac.Engine;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>The preconditioned gradient of a square layer, in both kinds of inverse: 4n³ operations from the gradient, 6Nn²
/// from its N rows; in the eigenbases 8n³, and 6Nn² + 4n³.</summary>
[MemoryDiagnoser]
public class PreconditionBenchmarks
{
    private Device _device = null!;
    private Arena _arena = null!;
    private KroneckerInverses _inverses = null!;
    private MatrixView<float> _gradient;
    private MatrixView<float> _outputGradients;
    private MatrixView<float> _inputs;
    private MatrixView<float> _update;

    [Params(DampingStyle.PerFactor, DampingStyle.Product)]
    public DampingStyle Style { get; set; }

    [Params(256, 1000, 1024)]
    public int Size { get; set; }

    [Params(100)]
    public int Rows { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu");
        _arena = new Arena(_device);
        _gradient = Normal(Size, 1);
        _outputGradients = Normal(Rows, 2);
        _inputs = Normal(Rows, 3);
        _update = _arena.Matrix<float>(Size, Size);
        MatrixView<float> factor = _arena.Matrix<float>(Size, Size);
        Gram.Expand(_device.DefaultStream, Normal(2 * Size, 4), 0.5f / Size, 0, factor);
        _inverses = KroneckerInverses.Create(
            _device, [new KroneckerLayer("layer", Size, Size, HasBias: false)], new InverseOptions { Style = Style });
        _inverses.Update([new KroneckerPair(factor, factor)]);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _inverses.Dispose();
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark(Baseline = true)]
    public void Dense() => _inverses.Apply(0, _gradient, _update);

    [Benchmark]
    public void LowRank() => _inverses.ApplyRows(0, _outputGradients, _inputs, 1, _update);

    private MatrixView<float> Normal(int rows, ulong sequence)
    {
        MatrixView<float> matrix = _arena.Matrix<float>(rows, Size);
        Philox.Normal(_device.DefaultStream, new PhiloxKey(1, sequence), 0, matrix.AsVector());
        return matrix;
    }
}
