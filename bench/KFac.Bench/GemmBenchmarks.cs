using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Matrix products: a square one, and the forward pass, input gradient and weight gradient of a layer 1000→1000 at batch 100.</summary>
[MemoryDiagnoser]
public class GemmBenchmarks
{
    private Device _device = null!;
    private Arena _arena = null!;
    private MatrixView<float> _a;
    private MatrixView<float> _b;
    private MatrixView<float> _c;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params("1024x1024x1024 NN", "1024x1024x1024 NT", "100x1000x1000 NT", "100x1000x1000 NN", "1000x1000x100 TN", "100x10x1000 NT")]
    public string Product { get; set; } = "";

    private Transpose TransposeA => Product[^2] == 'T' ? Transpose.Yes : Transpose.No;

    private Transpose TransposeB => Product[^1] == 'T' ? Transpose.Yes : Transpose.No;

    [GlobalSetup]
    public void Setup()
    {
        int[] sizes = [.. Product[..^3].Split('x').Select(int.Parse)];
        (int m, int n, int k) = (sizes[0], sizes[1], sizes[2]);
        _device = Device.Open("cpu", new DeviceOptions { Threads = Threads });
        _arena = new Arena(_device);
        _a = TransposeA == Transpose.No ? Filled(m, k) : Filled(k, m);
        _b = TransposeB == Transpose.No ? Filled(k, n) : Filled(n, k);
        _c = Filled(m, n);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Multiply() => Gemm.Run(_device.DefaultStream, TransposeA, TransposeB, 1, _a, _b, 0, _c);

    private MatrixView<float> Filled(int rows, int columns)
    {
        MatrixView<float> matrix = _arena.Matrix<float>(rows, columns);
        Elementwise.Fill(_device.DefaultStream, 0.5f, matrix);
        return matrix;
    }
}
