using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>3×3 convolutions with padding 1 at the three stages of a wide residual network; images×channels×side.</summary>
[MemoryDiagnoser]
public class ConvolutionBenchmarks
{
    private Device _device = null!;
    private Arena _arena = null!;
    private ConvolutionShape _shape = null!;
    private MatrixView<float> _x;
    private MatrixView<float> _weights;
    private MatrixView<float> _y;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params("32x64x32", "32x128x16", "32x256x8")]
    public string Input { get; set; } = "";

    [GlobalSetup]
    public void Setup()
    {
        int[] sizes = [.. Input.Split('x').Select(int.Parse)];
        _shape = new ConvolutionShape
        {
            Channels = sizes[1],
            Height = sizes[2],
            Width = sizes[2],
            KernelHeight = 3,
            KernelWidth = 3,
            Padding = 1,
        };
        _device = Device.Open("cpu", new DeviceOptions { Threads = Threads });
        _arena = new Arena(_device);
        _x = Normal(sizes[0] * _shape.Pixels, sizes[1], 1);
        _weights = Normal(sizes[1], _shape.PatchWidth, 2);
        _y = Normal(sizes[0] * _shape.Pixels, sizes[1], 3);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Forward() => Convolution.Forward(_device.DefaultStream, _x, _shape, _weights, _y);

    [Benchmark]
    public void InputGradient() => Convolution.InputGradient(_device.DefaultStream, _y, _shape, _weights, 0, _x);

    [Benchmark]
    public void WeightGradient() => Convolution.WeightGradient(_device.DefaultStream, _x, _shape, _y, 0, _weights);

    private MatrixView<float> Normal(int rows, int columns, ulong sequence)
    {
        MatrixView<float> values = _arena.Matrix<float>(rows, columns);
        Philox.Normal(_device.DefaultStream, new PhiloxKey(1, sequence), 0, values.AsVector());
        return values;
    }
}
