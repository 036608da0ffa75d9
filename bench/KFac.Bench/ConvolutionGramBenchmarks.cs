using BenchmarkDotNet.Attributes;
using KFac.Kernels;

namespace KFac.Bench;

/// <summary>Input factors of 3×3 convolutions with padding 1, at the three stages of a residual network; images×channels×side.</summary>
[MemoryDiagnoser]
public class ConvolutionGramBenchmarks
{
    private Device _device = null!;
    private Arena _arena = null!;
    private ConvolutionShape _shape = null!;
    private MatrixView<float> _x;
    private MatrixView<float> _gram;

    [Params(1, 2)]
    public int Threads { get; set; }

    [Params("32x64x32", "32x128x16", "32x256x8")]
    public string Input { get; set; } = "";

    [Params(ConvolutionLayout.ChannelsFirst, ConvolutionLayout.ChannelsLast)]
    public ConvolutionLayout Layout { get; set; }

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
        _x = Layout == ConvolutionLayout.ChannelsFirst
            ? _arena.Matrix<float>(sizes[0], _shape.ImageElements)
            : _arena.Matrix<float>(sizes[0] * _shape.Pixels, _shape.Channels);
        _gram = _arena.Matrix<float>(_shape.PatchWidth, _shape.PatchWidth);
        Elementwise.Fill(_device.DefaultStream, 0.5f, _x);
    }

    [GlobalCleanup]
    public void Cleanup()
    {
        _arena.Dispose();
        _device.Dispose();
    }

    [Benchmark]
    public void Expand() => ConvolutionGram.Expand(_device.DefaultStream, _x, _shape, 1, 0, _gram, layout: Layout);

    [Benchmark]
    public void Reduce() => ConvolutionGram.Reduce(_device.DefaultStream, _x, _shape, SharingScale.Mean, 1, 0, _gram, layout: Layout);
}
