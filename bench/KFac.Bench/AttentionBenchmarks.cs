using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Attention of a small vision transformer (65 tokens) and of a small language model (256 tokens, causal).</summary>
[MemoryDiagnoser]
public class AttentionBenchmarks
{
    private Device _device = null!;
    private Arena _arena = null!;
    private AttentionShape _shape;
    private AttentionMask _mask;
    private MatrixView<float>[] _m = null!;
    private MatrixView<float> _logSums;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params(65, 256)]
    public int Tokens { get; set; }

    [GlobalSetup]
    public void Setup()
    {
        _device = Device.Open("cpu", new DeviceOptions { Threads = Threads });
        _arena = new Arena(_device);
        _shape = Tokens == 65 ? new AttentionShape(64, 3, 65, 65, 64, 64) : new AttentionShape(12, 6, 256, 256, 64, 64);
        _mask = new AttentionMask(Causal: Tokens != 65, default);
        _m = new MatrixView<float>[8];
        for (int i = 0; i < _m.Length; i++)
        {
            _m[i] = _arena.Matrix<float>(_shape.Examples * _shape.Queries, _shape.Heads * _shape.KeyWidth);
            Philox.Normal(_device.DefaultStream, new PhiloxKey(1, (ulong)i), 0, _m[i].AsVector());
        }

        _logSums = _arena.Matrix<float>(_shape.Examples * _shape.Queries, _shape.Heads);
        Forward();
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Forward() =>
        Attention.Forward(_device.DefaultStream, _shape, _mask, 0.125f, _m[0], _m[1], _m[2], _m[3], _logSums);

    [Benchmark]
    public void Backward() => Attention.Backward(
        _device.DefaultStream, _shape, _mask, 0.125f, _m[0], _m[1], _m[2], _m[3], _logSums, _m[4], (_m[5], 0), (_m[6], 0), (_m[7], 0));
}
