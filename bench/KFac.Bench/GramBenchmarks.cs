using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Gram matrices of rows×columns inputs: tall ones of convolutions and the small batch of a dense layer.</summary>
[MemoryDiagnoser]
public class GramBenchmarks
{
    private Device _device = null!;
    private Arena _arena = null!;
    private MatrixView<float> _x;
    private MatrixView<float> _gram;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params("12544x384", "8000x1000", "100x1000", "25600x64")]
    public string Input { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        int[] sizes = [.. Input.Split('x').Select(int.Parse)];
        _device = Device.Open("cpu", new DeviceOptions { Threads = Threads });
        _arena = new Arena(_device);
        _x = _arena.Matrix<float>(sizes[0], sizes[1]);
        _gram = _arena.Matrix<float>(sizes[1], sizes[1]);
        Elementwise.Fill(_device.DefaultStream, 0.5f, _x);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Expand() => Gram.Expand(_device.DefaultStream, _x, 1, 0, _gram);
}
